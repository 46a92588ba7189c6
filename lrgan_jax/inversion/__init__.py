"""Photographs to latents and back.

photograph   any picture's file, changed in places, and written with all other pixels as they were
warp         an affine map of an image, without aliasing
framing      where a face lies in a crop: as in FFHQ, or as in the images of a model
crop         a quad of a photograph as an image
landmarks    the face of a photograph that is meant, and its eyes and mouth
alignment    a face cut out as a model knows faces, and an edit of it put back
"""

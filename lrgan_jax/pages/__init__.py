"""HTML and pictures that several jobs share: one style, light and dark, no script, no other file.

kit         documents, tables, pictures in a page, what methods are called and do
layers      which layers edit a region best
"""

"""The words that commands, pages and files use, each explained once: for `lrgan explain`, pages, the panel and help."""

from lrgan_jax.base.checks import meant
from lrgan_jax.base.errors import InputError

WORDS = {  # in the order of reading: an edit, how it is judged, what is asked for, latents, the mathematics
    "direction": "A line in the space of latents along which an image changes. Directions of one region are numbered "
    "from 0, best first; going backwards along one does the opposite.",
    "step": "How far an edit goes along its direction, backwards if negative. Of the directions found by default a "
    "step of 1 is one standard deviation long.",
    "length": "How long a step is, in standard deviations of the generator's own latents: 1 is a common step among "
    "them whichever way it goes, tens leave what the generator draws well, and paint.",
    "region": "The part of the image that an edit is to change: a name, a box, a black and white picture, or labels "
    "of a label map.",
    "inside": "How much the region changes: the mean squared change of its pixels, whose values span [-1, 1], so that "
    "0.02 is plain to see (18 of 255 grey levels). Of a direction it is per squared unit of step, to first order.",
    "outside": "How much all that must keep still changes, measured as inside is: the whole rest of the image, unless "
    "protected regions are named.",
    "leak": "Change outside over change inside: at 5 % the rest changes by a twentieth of what the region does, both "
    "as mean squared change. Less is better, and methods are compared at the same change inside.",
    "ratio": "Change inside over change outside, to first order: the leak turned over, so more is better.",
    "change": "The mean squared change of the region that an edit is wanted for, 0.02 by default. More is bolder, and "
    "leaks more.",
    "protect": "What alone must keep still, such as eyes and nose; by default it is all that is not the region.",
    "first order": "As if the image answered in a straight line to a step. It holds for small steps; what real steps "
    "do is measured on edited images.",
    "layers": "A StyleGAN takes its latent once in every layer, numbered from 0: coarse layers, the first, decide "
    "pose and shape, the last ones colour. An edit may move some of them only.",
    "latent": "The numbers that a generator makes an image of; one image is one latent.",
    "seed": "The number that random latents follow from: the same seed gives the same images, numbered from 0, in "
    "every command.",
    "truncation": "Pulls latents towards the mean one: 1 leaves them alone, 0.7 gives more usual faces with fewer "
    "flaws, 0 is the mean face alone. A cutoff does it in the first layers only.",
    "z": "The latent as it is drawn: standard normal numbers. A mapping network, where there is one, makes w of it.",
    "w": "The latent that a StyleGAN's layers take, made of z by the mapping network.",
    "W+": "A w for each layer, also called ws, instead of one that all layers share. With --per-layer a direction "
    "moves each in its own way, which leaks less and takes longer to find.",
    "style space": "The numbers behind w, one for each channel of a StyleGAN2's convolutions: --model faces64:styles.",
    "method": "How directions are looked for; the default, frontier, leaks least for the same change and length.",
    "frontier": "The directions that no other beats, leak and change inside weighed against each other. mu says where "
    "on this line a direction lies.",
    "mu": "How many times more than the rest the region must change, by the frontier method. Chosen by price, if not "
    "given; a greater one keeps the rest stiller, and takes longer steps.",
    "price": "The leak that a squared unit of length is worth, 0.003 by default. A lower one buys less leak with "
    "longer steps, which paint; a higher one keeps steps short.",
    "Jacobian": "How every pixel answers to every number of the latent: the derivative of the image. All directions "
    "that look at a region follow from it.",
    "Gram": "The Jacobian of a region folded into a small square matrix, M = J^T J / n: for any direction it says how "
    "much the region changes, on average over its n pixels.",
    "robust PCA": "Splits a Gram into a low-rank part, which counts, and sparse noise. The methods of the paper rest "
    "on it, the frontier does not.",
    "rank": "How many independent directions move a region, or the rest, by its low-rank part.",
    "null space": "The directions that leave the rest still: those outside of its rank. The paper projects on it.",
    "attribute share": "How much of a direction lies among those that move the region, or, of a projected one, is "
    "left by the projection: 1 is all of it, near 0 the region hardly answers.",
    "spectrum": "How strongly a region answers to its directions, strongest first: eigenvalues of its Gram's low-rank "
    "part. A steep fall is a low rank.",
    "caveat": "What a result lacks. Where a robust PCA stopped before it converged, ranks and null space are "
    "provisional, and so are directions that rest on them.",
    "painted": "An edit that covers the region (white eyes, a black mouth) instead of changing it as the generator "
    "would. It leaks little all the same, so look at length and strangeness, too.",
    "depth": "How far out among the generator's own latents an edited one lies; 1 is typical, more is rare.",
    "oddity": "How far the region's pixels are from those of the generator's own pictures; 1 is typical, more is odd.",
    "strangeness": "Depth times the square of oddity: whether an edited picture is still one that the generator could "
    "have made. 1 is typical, more is painted or broken.",
    "identity": "How far an edit moves the face away from the same person, as a face recognition network sees it; "
    "above 0.6 it is usually taken for another one.",
    "LPIPS": "How different two pictures look, by a network trained on people's judgement; 0 is alike.",
    "PSNR": "How near an image is to its photograph, in decibels; more is nearer, and 30 is hard to tell apart.",
    "walk": "An edit in small steps whose direction is looked for again on the way, for far edits.",
    "inversion": "Looking for the latent that draws a photograph again, so that it can be edited.",
    "tuning": "Moving the generator's weights a little until it draws a photograph as it is.",
    "fingerprint": "A short text that follows from a model's weights: directions remember the model they are of.",
}
OTHERS = {  # names of the same things
    "attribute space": "attribute share",
    "converged": "caveat",
    "cutoff": "truncation",
    "image": "seed",
    "kept": "attribute share",
    "natural length": "length",
    "reach": "step",
    "standard deviation": "length",
    "standard deviations": "length",
    "provisional": "caveat",
    "rest": "outside",
    "spectra": "spectrum",
    "steps": "step",
    "strange": "strangeness",
    "styles": "style space",
    "per layer": "W+",
    "ws": "W+",
}


def explain(word: str) -> str:
    """What a word means that commands and pages use: "leak", "mu", "W+".

    Raises:
      InputError: on a word that is not explained; the message offers the nearest.
    """
    return WORDS[find(word)]


def find(word: str) -> str:
    """The word as `WORDS` spells it.

    Raises:
      InputError: as `explain`.
    """
    known = {name.lower(): name for name in WORDS} | OTHERS
    asked = " ".join(word.lower().replace("-", " ").replace("_", " ").split())
    if asked not in known:
        hint = meant(asked, known) or f"; explained are {', '.join(WORDS)}"
        raise InputError(f"{word!r} is not explained{hint}")
    return known[asked]

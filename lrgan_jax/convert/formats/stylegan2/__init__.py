"""What all formats of a StyleGAN2 share: the common language of their tensors, and the way from there to ours."""

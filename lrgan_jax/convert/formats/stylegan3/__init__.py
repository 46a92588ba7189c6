"""What all formats of a StyleGAN3 share: how its tensors become ours, and the rule that its layers were made by."""

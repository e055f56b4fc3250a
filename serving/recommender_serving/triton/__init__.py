"""Call the models in Triton."""

"""The console: a web page of the models, which acts with the visitor's own rights."""

"""Report answers to the collector as impressions, in the background."""

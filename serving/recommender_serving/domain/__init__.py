"""Types that every other room uses: requests, rankings, answers and ids."""

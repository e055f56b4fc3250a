"""Writers: from the log to the online store and to the files that training reads."""

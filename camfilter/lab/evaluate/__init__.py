"""`camfilter evaluate`: what recognisers still read at the far end of a call.

Data flows one way, and the files read in that order: subjects, clips (motion), filtering,
channels, crops, recognisers, measures, report.
"""

"""Files to scores and back, one module per format; ``catalog`` knows them all and imports none until it is used."""

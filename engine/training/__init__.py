"""Training: a loop that can be read top to bottom, and the callbacks that record, save, print and obey.

`trainer` is the loop; `setup` makes what it is made of; `state` and `checkpoint` cut it and put it together again;
`recorder` writes metrics to the database; `control` carries requests from outside to the point between two steps.
"""

"""LSE's region proposers: a point on a person becomes an area, found again in other views and frames.

`pose` and `cache` run a pose network over a data set once; `limbs` and `affinity` make regions of what is known of a
picture; `views` carries them through an augmentation; `pooling` turns a region into one feature.
"""

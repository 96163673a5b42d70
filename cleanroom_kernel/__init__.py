"""Clean Room Kernel: machine learning on data you may never see. The package's folders are its trust zones."""

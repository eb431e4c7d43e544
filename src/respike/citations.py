"""Where methods and refinements were published."""

DIEHL_2015 = (
    "P. U. Diehl, D. Neil, J. Binas, M. Cook, S.-C. Liu, M. Pfeiffer. Fast-classifying, high-accuracy spiking deep "
    "networks through weight and threshold balancing. IJCNN 2015. doi:10.1109/IJCNN.2015.7280696"
)
DIEHL_REPLICATION = "H. He, J. Dong. Replication report of Diehl et al. 2015 on MNIST and Fashion-MNIST. 2021"
RUECKAUER_2017 = (
    "B. Rueckauer, I.-A. Lungu, Y. Hu, M. Pfeiffer, S.-C. Liu. Conversion of continuous-valued deep networks to "
    "efficient event-driven networks for image classification. Frontiers in Neuroscience 11:682, 2017"
)
FEW_SPIKES = "C. Stöckl, W. Maass. Classifying images with few spikes per neuron. arXiv:2002.00860, 2020"
FIT = "Y. Zhao, H. Wang, Y. Yang. Building efficient event-driven networks from frame-driven networks with FIT"
ECC = (
    "D. Wu, X. Yi, X. Huang. A little energy goes a long way: energy-efficient, accurate conversion from convolutional "
    "neural networks to spiking neural networks. Frontiers in Neuroscience 16, 2022 (SpKeras)"
)
SENGUPTA_2019 = (
    "A. Sengupta, Y. Ye, R. Wang, C. Liu, K. Roy. Going deeper in spiking neural networks: VGG and residual "
    "architectures. Frontiers in Neuroscience 13:95, 2019"
)
BU_2022 = (
    "T. Bu, J. Ding, Z. Yu, T. Huang. Optimized potential initialization for low-latency spiking neural networks. AAAI "
    "2022. arXiv:2202.01440"
)
BU_2022_QCFS = (
    "T. Bu, W. Fang, J. Ding, P. Dai, Z. Yu, T. Huang. Optimal ANN-SNN conversion for high-accuracy and ultra-low-"
    "latency spiking neural networks. ICLR 2022. arXiv:2303.04347"
)
HAO_2023_OFFSET = (
    "Z. Hao, J. Ding, T. Bu, T. Huang, Z. Yu. Bridging the gap between ANNs and SNNs by calibrating offset spikes. "
    "ICLR 2023. arXiv:2302.10685"
)
HAO_2023_RESIDUAL = (
    "Z. Hao, T. Bu, J. Ding, T. Huang, Z. Yu. Reducing ANN-SNN conversion error through residual membrane potential. "
    "AAAI 2023. arXiv:2302.02091"
)
SHOHAM_1988 = (
    "Y. Shoham, A. Gersho. Efficient bit allocation for an arbitrary set of quantizers. IEEE Transactions on "
    "Acoustics, Speech, and Signal Processing 36(9), 1988"
)
HINTON_2015 = "G. Hinton, O. Vinyals, J. Dean. Distilling the knowledge in a neural network. arXiv:1503.02531, 2015"
ZHANG_2018 = "H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz. mixup: beyond empirical risk minimization. ICLR 2018"
YU_2024 = (
    "C. Yu, L. Liu, G. Wang, E. Li, A. Wang. Advancing training efficiency of deep spiking neural networks through "
    "rate-based backpropagation. NeurIPS 2024. arXiv:2410.11488"
)
LI_2021 = (
    "Y. Li, S. Deng, X. Dong, R. Gong, S. Gu. A free lunch from ANN: towards efficient, accurate spiking neural "
    "networks calibration. ICML 2021. arXiv:2106.06984"
)
WANG_2022 = (
    "Y. Wang, M. Zhang, Y. Chen, H. Qu. Signed neuron with memory: towards simple, accurate and high-efficient ANN-SNN "
    "conversion. IJCAI 2022"
)
LI_ZENG_2022 = (
    "Y. Li, Y. Zeng. Efficient and accurate conversion of spiking neural network with burst spikes. IJCAI 2022. "
    "arXiv:2204.13271"
)
BU_2025 = (
    "T. Bu, M. Li, Z. Yu. Inference-scale complexity in ANN-SNN conversion for high-performance and low-power "
    "applications. CVPR 2025. arXiv:2409.03368"
)
HAN_2020 = (
    "B. Han, G. Srinivasan, K. Roy. RMP-SNN: residual membrane potential neuron for enabling deeper high-accuracy and "
    "low-latency spiking neural network. CVPR 2020, 13558-13567"
)
GU_2024 = (
    "Y. Gu, J. Gu, H. Shen, K. Huang. Canonic signed spike coding for efficient spiking neural networks. "
    "arXiv:2408.17245, 2024"
)
HUANG_2024 = (
    "Z. Huang, X. Shi, Z. Hao, T. Bu, J. Ding, Z. Yu, T. Huang. Towards high-performance spiking transformers from ANN "
    "to SNN conversion. ACM MM 2024. arXiv:2502.21193"
)
HUANG_2025 = (
    "Z. Huang, W. Fang, T. Bu, P. Xue, Z. Hao, W. Liu, Y. Tang, Z. Yu, T. Huang. Differential coding for training-free "
    "ANN-to-SNN conversion. ICML 2025. arXiv:2503.00301"
)
RUECKAUER_2018 = (
    "B. Rueckauer, S.-C. Liu. Conversion of analog to spiking neural networks using sparse temporal coding. ISCAS "
    "2018. doi:10.1109/ISCAS.2018.8351295"
)
YOU_2024 = (
    "K. You, Z. Xu, C. Nie, Z. Deng, Q. Guo, X. Wang, Z. He. SpikeZIP-TF: conversion is all you need for transformer-"
    "based SNN. ICML 2024. arXiv:2406.03470"
)

"""Where the methods were published."""

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
HAN_2020 = (
    "B. Han, G. Srinivasan, K. Roy. RMP-SNN: residual membrane potential neuron for enabling deeper high-accuracy and "
    "low-latency spiking neural network. CVPR 2020, 13558-13567"
)

"""Errors and traps met in published papers and code, each read there: where, what, consequence."""

ERRORS = (
    (
        "Bai 2018 (arXiv:1803.01271) and the TCN repository",
        "the baseline of adding is printed as .1767; the variance is 1/6 = .1667",
        "the RNN's .177 is worse than a constant",
    ),
    (
        "TCN repository, copymem_test.py and music_test.py",
        "clip_grad_norm_ is called before loss.backward(), after the gradients are cleared",
        "their gradient clipping does nothing",
    ),
    (
        "TCN repository",
        "it holds no RNN and no LSTM, and its defaults are not the paper's",
        "the published recurrent baselines cannot be run again",
    ),
    (
        "TCN repository, copymem_test.py",
        "the accuracy that is printed is over the whole sequence",
        "(T + 10) / (T + 20) is had for nothing",
    ),
    (
        "TCN repository, pmnist_test.py",
        "the permutation is not covered by torch.manual_seed",
        "it is another one in every trial",
    ),
    (
        "complex_RNN (Arjovsky 2016)",
        "the best iteration is chosen by the test error; the RMSprop accumulator starts at 1e-3",
        "a minimum, selected on the test; not torch's optimizer",
    ),
    (
        "keras, mnist_irnn.py",
        "clip_norm is defined and never used",
        "the IRNN is trained without clipping",
    ),
    (
        "expRNN repository, 2_mnist.py",
        (
            "--mode lstm reads self.hidden_size, which is never set, and crashes; what is printed "
            "is the best test accuracy over epochs"
        ),
        "the published LSTM rows did not come from this script; a maximum, selected on the test",
    ),
    (
        "nnRNN repository",
        (
            "Henaff's angles are drawn from (-pi, 0), the original's from (-pi, pi); an axis of "
            "the copy figure is named accuracy and shows the loss"
        ),
        "another initialisation under the same name",
    ),
    (
        "Delétang 2022, compare_occurrence and odds_first",
        "the code does not do what its docstring says: ties, and which symbols come first",
        "name the code, not the text",
    ),
    (
        "Zoology, MAD, Delétang",
        "figures show the best trial of a sweep",
        "read them as a maximum of n",
    ),
    (
        "rliable, library.py",
        "random_state has no effect",
        "seed globally, or the interval differs each time",
    ),
)

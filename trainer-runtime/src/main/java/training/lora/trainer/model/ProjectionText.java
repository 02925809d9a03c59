package training.lora.trainer.model;

/**
 * TorchScript of one projection y = s W^T (+ bias) and of the delta that an adapter puts beside it, forward and backward;
 * rows of tokens, s (N, in), y (N, out). Another kind of delta is another pair of texts. The projection's number i makes
 * the names: weight w, and of the delta a, b with their gradients da, db, and u = s A^T.
 *
 * @param i number of the projection
 * @param source name of s
 * @param scale of the low-rank delta, NaN where there is none
 */
record ProjectionText(int i, String source, double scale) {
    boolean adapted() {
        return !Double.isNaN(scale);
    }

    /** Names of what the adapter hands to the forward pass. */
    String factors() {
        return adapted() ? ", a%1$d, b%1$d".formatted(i) : "";
    }

    /** Names of what it hands to the backward pass: the factors, then what their gradients are added to. */
    String factorsAndGradients() {
        return adapted() ? ", a%1$d, b%1$d, da%1$d, db%1$d".formatted(i) : "";
    }

    /** Name of what the forward pass keeps. */
    String kept() {
        return adapted() ? ", u%d".formatted(i) : "";
    }

    /** {@code yi} from {@code source}; {@code bias} is a name or empty. */
    String forward(String bias) {
        String frozen = bias.isEmpty()
                ? "y%1$d = torch.mm(%2$s, torch.t(w%1$d))\n"
                : "y%1$d = torch.addmm(%3$s, %2$s, torch.t(w%1$d))\n";
        String delta = """
                u%1$d = torch.mm(%2$s, torch.t(torch.type_as(a%1$d, %2$s)))
                y%1$d_ = torch.addmm_(y%1$d, u%1$d, torch.t(torch.type_as(b%1$d, %2$s)), beta=1, alpha=%4$s)
                """;
        return (frozen + (adapted() ? delta : "")).formatted(i, source, bias, scale);
    }

    /** Adds the factors' gradients, given the output's, {@code dy} (N, out); must come before {@link #sourceGradient}. */
    String factorGradients(String dy) {
        return adapted() ? """
                v%1$d = torch.mm(%2$s, torch.type_as(b%1$d, %2$s))
                db%1$d_ = torch.add_(db%1$d, torch.mm(torch.t(%2$s), u%1$d), alpha=%4$s)
                da%1$d_ = torch.add_(da%1$d, torch.mm(torch.t(v%1$d), %3$s), alpha=%4$s)
                """.formatted(i, dy, source, scale) : "";
    }

    /** The source's gradient (N, in): {@code ds} is made, or added to if {@code more}. */
    String sourceGradient(String ds, String dy, boolean more) {
        String frozen = more
                ? "%3$s_%1$d = torch.addmm_(%3$s, %2$s, w%1$d, beta=1, alpha=1)\n"
                : "%3$s = torch.mm(%2$s, w%1$d)\n";
        String delta = "%3$s_d%1$d = torch.addmm_(%3$s, v%1$d, torch.type_as(a%1$d, %2$s), beta=1, alpha=%4$s)\n";
        return (frozen + (adapted() ? delta : "")).formatted(i, dy, ds, scale);
    }
}

package training.lora.trainer.model;

/**
 * TorchScript of one projection y = s W^T (+ bias) and of the delta that an adapter puts beside it, forward and backward;
 * rows of tokens, s (N, in), y (N, out). Another kind of delta is another pair of texts. The projection's number i makes
 * the names: weight w, and of the delta a, b with their gradients da, db, u = z A^T, where z is s or what dropout left of
 * it, and the dropout's mask k (N, in).
 *
 * @param i number of the projection
 * @param source name of s
 * @param form of the delta
 */
record ProjectionText(int i, String source, DeltaForm form) {
    boolean adapted() {
        return form.present();
    }

    private boolean dropping() {
        return form.dropout() > 0;
    }

    /** Names of what the adapter hands to the forward pass. */
    String factors() {
        return adapted() ? ", a%1$d, b%1$d".formatted(i) : "";
    }

    /** Names of what it hands to the backward pass: the factors, then what their gradients are added to. */
    String factorsAndGradients() {
        return adapted() ? ", a%1$d, b%1$d, da%1$d, db%1$d".formatted(i) : "";
    }

    /** Names of what the forward pass keeps. */
    String kept() {
        return (adapted() ? ", u%1$d" + (dropping() ? ", k%1$d" : "") : "").formatted(i);
    }

    /** {@code yi} from {@code source}; {@code bias} is a name or empty. */
    String forward(String bias) {
        return frozen(bias) + (adapted() ? down(source) + up() : "");
    }

    /** The same in training, where the delta sees {@code source} through its dropout. */
    String record(String bias) {
        String seen = source;
        String mask = "";
        if (dropping()) {
            seen = "z" + i;
            // With probability p an entry is zero, the others are divided by 1 - p.
            mask = "z%1$d, k%1$d = torch.native_dropout(%2$s, %3$s, True)\n".formatted(i, source, form.dropout());
        }
        return frozen(bias) + (adapted() ? mask + down(seen) + up() : "");
    }

    private String frozen(String bias) {
        return (bias.isEmpty()
                        ? "y%1$d = torch.mm(%2$s, torch.t(w%1$d))\n"
                        : "y%1$d = torch.addmm(%3$s, %2$s, torch.t(w%1$d))\n")
                .formatted(i, source, bias);
    }

    private String down(String seen) {
        return "u%1$d = torch.mm(%2$s, torch.t(torch.type_as(a%1$d, %2$s)))\n".formatted(i, seen);
    }

    private String up() {
        return "y%1$d_ = torch.addmm_(y%1$d, u%1$d, torch.t(torch.type_as(b%1$d, u%1$d)), beta=1, alpha=%2$s)\n"
                .formatted(i, form.scale());
    }

    /** Adds the factors' gradients, given the output's, {@code dy} (N, out); must come before {@link #sourceGradient}. */
    String factorGradients(String dy) {
        if (!adapted()) {
            return "";
        }
        String seen = dropping()
                ? "torch.mul(torch.mul(%2$s, k%1$d), %3$s)".formatted(i, source, 1 / (1 - form.dropout()))
                : source;
        return """
                v%1$d = torch.mm(%2$s, torch.type_as(b%1$d, %2$s))
                db%1$d_ = torch.add_(db%1$d, torch.mm(torch.t(%2$s), u%1$d), alpha=%4$s)
                da%1$d_ = torch.add_(da%1$d, torch.mm(torch.t(v%1$d), %3$s), alpha=%4$s)
                """.formatted(i, dy, seen, form.scale());
    }

    /** The source's gradient (N, in): {@code ds} is made, or added to if {@code more}. */
    String sourceGradient(String ds, String dy, boolean more) {
        String frozen = more
                ? "%3$s_%1$d = torch.addmm_(%3$s, %2$s, w%1$d, beta=1, alpha=1)\n"
                : "%3$s = torch.mm(%2$s, w%1$d)\n";
        String delta = "";
        if (dropping()) {
            delta = """
                    %3$s_v%1$d = torch.mul_(torch.mm(v%1$d, torch.type_as(a%1$d, %2$s)), k%1$d)
                    %3$s_d%1$d = torch.add_(%3$s, %3$s_v%1$d, alpha=%4$s)
                    """;
        } else if (adapted()) {
            delta = "%3$s_d%1$d = torch.addmm_(%3$s, v%1$d, torch.type_as(a%1$d, %2$s), beta=1, alpha=%4$s)\n";
        }
        return (frozen + delta).formatted(i, dy, ds, form.scale() / (1 - form.dropout()));
    }
}

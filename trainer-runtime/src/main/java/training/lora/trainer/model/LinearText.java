package training.lora.trainer.model;

/**
 * A linear map y = s W^T (+ bias) over rows, s (N, in), y (N, out), with the delta B A of a low rank; {@code a} (r, in),
 * {@code b} (out, r), {@code u} (N, r), {@code k} (N, in).
 */
record LinearText(int i, String source, DeltaForm form) implements ProjectionText {
    @Override
    public String forward(String bias) {
        return frozen(bias) + (adapted() ? down(source) + up() : "");
    }

    @Override
    public String record(String bias) {
        return frozen(bias) + (adapted() ? mask() + down(seen()) + up() : "");
    }

    /** {@code yi} again from the source and what {@link #record} kept. */
    String again(String bias) {
        return frozen(bias) + (adapted() ? up() : "");
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

    @Override
    public String factorGradients(String dy) {
        if (!adapted()) {
            return "";
        }
        return """
                v%1$d = torch.mm(%2$s, torch.type_as(b%1$d, %2$s))
                db%1$d_ = torch.add_(db%1$d, torch.mm(torch.t(%2$s), u%1$d), alpha=%4$s)
                da%1$d_ = torch.add_(da%1$d, torch.mm(torch.t(v%1$d), %3$s), alpha=%4$s)
                """.formatted(i, dy, seenAgain(), form.scale());
    }

    @Override
    public String sourceGradient(String ds, String dy) {
        return sourceGradient(ds, dy, false);
    }

    /** The same; if {@code more} it is added to {@code ds}. */
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

package training.lora.trainer.model;

/**
 * TorchScript of one projection and of the delta that an adapter puts beside it, forward and backward. Another kind of
 * delta is another pair of texts. The projection's number i makes the names: frozen weight w, result y, and of the delta
 * the factors a and b with their gradients da and db, u = A z, where z is the source or what dropout left of it, and the
 * dropout's mask k.
 */
sealed interface ProjectionText permits LinearText, ConvolutionText {
    /** Number of the projection in its layer. */
    int i();

    /** Name of what it is applied to. */
    String source();

    /** Form of the delta. */
    DeltaForm form();

    /** {@code yi} from the source; {@code bias} is a name or empty. */
    String forward(String bias);

    /** The same in training, where the delta sees the source through its dropout, and {@link #kept} is made. */
    String record(String bias);

    /** Adds the factors' gradients, given the output's, {@code dy}; must come before {@link #sourceGradient}. */
    String factorGradients(String dy);

    /** Makes the source's gradient {@code ds}. */
    String sourceGradient(String ds, String dy);

    default boolean adapted() {
        return form().present();
    }

    default boolean dropping() {
        return form().dropout() > 0;
    }

    /** Names of what the adapter hands to the forward pass. */
    default String factors() {
        return adapted() ? ", a%1$d, b%1$d".formatted(i()) : "";
    }

    /** Names of what it hands to the backward pass: the factors, then what their gradients are added to. */
    default String factorsAndGradients() {
        return adapted() ? ", a%1$d, b%1$d, da%1$d, db%1$d".formatted(i()) : "";
    }

    /** Names of what the recorded pass keeps. */
    default String kept() {
        return (adapted() ? ", u%1$d" + (dropping() ? ", k%1$d" : "") : "").formatted(i());
    }

    /** Draws the mask: with probability p an entry is zero, the others are divided by 1 - p. */
    default String mask() {
        return dropping()
                ? "z%1$d, k%1$d = torch.native_dropout(%2$s, %3$s, True)\n".formatted(i(), source(), form().dropout())
                : "";
    }

    /** What the delta sees of the source, after {@link #mask}. */
    default String seen() {
        return dropping() ? "z" + i() : source();
    }

    /** The same on the way back. */
    default String seenAgain() {
        return dropping()
                ? "torch.mul(torch.mul(%2$s, k%1$d), %3$s)".formatted(i(), source(), 1 / (1 - form().dropout()))
                : source();
    }
}

package training.lora.trainer.model;

/**
 * What of a delta is written into the text of a native function; its numbers come as arguments.
 *
 * @param scale of up(down(x)), NaN where there is no delta
 * @param dropout share of the entries of x that training hides from the delta
 */
record DeltaForm(double scale, double dropout) {
    static final DeltaForm NONE = new DeltaForm(Double.NaN, 0);

    boolean present() {
        return !Double.isNaN(scale);
    }
}

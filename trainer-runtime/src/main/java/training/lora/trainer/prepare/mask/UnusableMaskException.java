package training.lora.trainer.prepare.mask;

/** A picture's mask can't be used. Its message goes on "each mask must be ..., but". */
public final class UnusableMaskException extends Exception {
    private static final long serialVersionUID = 1;

    /** @param problem a phrase that names the picture */
    public UnusableMaskException(String problem) {
        super(problem);
    }
}

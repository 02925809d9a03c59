package training.lora.trainer.files;

/** A file that is no text as it must be; the message follows its name. */
public final class NoTextException extends Exception {
    private static final long serialVersionUID = 1;

    public NoTextException(String what) {
        super(what);
    }
}

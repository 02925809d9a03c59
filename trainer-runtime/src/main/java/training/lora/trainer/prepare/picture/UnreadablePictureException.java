package training.lora.trainer.prepare.picture;

/** A picture file can't be read. Its message goes on the file's name. */
public final class UnreadablePictureException extends Exception {
    private static final long serialVersionUID = 1;

    UnreadablePictureException(String problem) {
        super(problem);
    }
}

package training.lora.operator.reconcile;

/** A name that the run needs belongs to something else. */
final class NameTakenException extends Exception {
    private static final long serialVersionUID = 1;

    private final String what;

    /** {@code what}: kind and name of what is in the way. */
    NameTakenException(String what) {
        super(what);
        this.what = what;
    }

    String what() {
        return what;
    }
}

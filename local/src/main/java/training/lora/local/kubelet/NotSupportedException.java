package training.lora.local.kubelet;

/** A pod asks for what only a real cluster has. */
final class NotSupportedException extends Exception {
    private static final long serialVersionUID = 1;

    NotSupportedException(String what) {
        super(what + " is not supported by the embedded cluster");
    }
}

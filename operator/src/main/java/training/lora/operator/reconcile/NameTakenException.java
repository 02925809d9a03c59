package training.lora.operator.reconcile;

import training.lora.operator.plan.Taken;

/** A name that the run needs belongs to something else. */
final class NameTakenException extends Exception {
    private static final long serialVersionUID = 1;

    private final transient Taken taken;

    NameTakenException(Taken taken) {
        super(taken.kind() + " " + taken.name());
        this.taken = taken;
    }

    /** What is in the way. */
    Taken taken() {
        return taken;
    }
}

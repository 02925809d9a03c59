package training.lora.trainer.cli;

import java.util.List;
import java.util.concurrent.TimeUnit;
import sun.misc.Signal;

/**
 * SIGTERM and SIGINT: the running stage is asked to end where it can go on later, and the process ends with the exit code
 * that comes of it, or after a grace period with the signal's own. A hook of the runtime would not do: while those run,
 * native libraries that add hooks themselves can't be loaded.
 */
final class Shutdown {
    /** Less than the 60 seconds that a pod gets from the operator. */
    private static final long GRACE_SECONDS = 50;

    private static final String INTERRUPT = "INT";

    private static volatile boolean requested;

    private Shutdown() {}

    static void handleSignals() {
        for (String name : List.of("TERM", INTERRUPT)) {
            Signal.handle(new Signal(name), Shutdown::handle);
        }
    }

    /** Whether the process was asked to end. */
    static boolean requested() {
        return requested;
    }

    private static void handle(Signal signal) {
        int code = 128 + signal.getNumber();
        if (requested) {
            if (signal.getName().equals(INTERRUPT)) {
                Runtime.getRuntime().halt(code);
            }
            return;
        }
        requested = true;
        Thread limit = new Thread(() -> end(code), "grace");
        limit.setDaemon(true);
        limit.start();
    }

    private static void end(int code) {
        try {
            TimeUnit.SECONDS.sleep(GRACE_SECONDS);
            System.err.println("lora-trainer: asked to stop, but not done after " + GRACE_SECONDS + " s");
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
        Runtime.getRuntime().halt(code);
    }
}

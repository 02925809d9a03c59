package training.lora.operator;

import io.quarkus.runtime.Quarkus;
import io.quarkus.runtime.annotations.QuarkusMain;
import java.time.Duration;
import training.lora.api.ProcessLocale;

/** The operator's process. */
@QuarkusMain
public final class Main {
    private static final Duration END = Duration.ofMillis(2500);
    /** As a JVM's that SIGTERM ends. */
    private static final int TERMINATED = 143;

    private Main() {}

    /** Without arguments it is the operator. */
    public static void main(String[] arguments) throws InterruptedException {
        ProcessLocale.makeNeutral();
        if (arguments.length > 0 && arguments[0].equals(CheckCommand.NAME)) {
            System.exit(CheckCommand.run(arguments, System.out));
        }
        Runtime.getRuntime().addShutdownHook(new Thread(Main::endSoon));
        Quarkus.run(arguments);
    }

    /** It is gone in time whatever hangs, be it told to end while it starts: the next one may already lead. */
    private static void endSoon() {
        Thread last = new Thread(
                () -> {
                    try {
                        Thread.sleep(END.toMillis());
                        Runtime.getRuntime().halt(TERMINATED);
                    } catch (InterruptedException e) {
                        Thread.currentThread().interrupt();
                    }
                },
                "end");
        last.setDaemon(true);
        last.start();
    }
}

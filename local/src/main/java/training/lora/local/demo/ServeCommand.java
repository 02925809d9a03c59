package training.lora.local.demo;

import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code serve}: the cluster of {@code up}, in the foreground until it is told to end. */
@Command(name = "serve", hidden = true, description = "Runs a cluster until SIGTERM.")
final class ServeCommand implements Callable<Integer> {
    static final String PID = "pid";

    @Parameters(paramLabel = "DIR")
    private Path dir = Path.of("");

    @Override
    public Integer call() throws Exception {
        Installation.start(Checkout.find(), dir, () -> {});
        // Its presence says that all is ready.
        Path temporary = dir.resolve(PID + ".new");
        Files.writeString(temporary, Long.toString(ProcessHandle.current().pid()));
        Files.move(temporary, dir.resolve(PID), StandardCopyOption.ATOMIC_MOVE);
        new CountDownLatch(1).await();
        return 0;
    }
}

package training.lora.local.demo;

import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import picocli.CommandLine.Command;
import training.lora.local.kubelet.Folders;

/** {@code down}: ends the cluster of {@code up}. */
@Command(name = "down", mixinStandardHelpOptions = true, description = "Ends the cluster that `up` started.")
final class DownCommand implements Callable<Integer> {
    private static final int SECONDS = 30;

    @Override
    public Integer call() throws Exception {
        Path dir = Checkout.find().cluster();
        Optional<ProcessHandle> cluster = Background.running(dir);
        if (cluster.isEmpty()) {
            System.out.println("No cluster runs.");
        } else {
            cluster.get().destroy();
            cluster.get().onExit().get(SECONDS, TimeUnit.SECONDS);
            System.out.println("The cluster has ended.");
        }
        Folders.delete(dir);
        return 0;
    }
}

package training.lora.local.demo;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import training.lora.local.kubelet.Folders;

/** {@code up}: starts a cluster that stays. */
@Command(name = "up", mixinStandardHelpOptions = true, description = "Starts a cluster that stays in the background.")
final class UpCommand implements Callable<Integer> {
    private static final Duration START = Duration.ofSeconds(120);

    @Override
    public Integer call() throws Exception {
        Checkout checkout = Checkout.find();
        Path dir = checkout.cluster();
        if (Background.running(dir).isPresent()) {
            System.out.println("The cluster runs already.");
        } else {
            Folders.delete(dir);
            Files.createDirectories(dir);
            start(checkout, dir);
        }
        System.out.println("  export KUBECONFIG=" + dir.resolve("kubeconfig"));
        System.out.println("  kubectl apply -f examples/blue-ink/training.yaml     or: ./demo apply FILE");
        System.out.println("  kubectl get loratraining -w");
        System.out.println("  ./demo down          ends the cluster and forgets what is in it");
        return 0;
    }

    private static void start(Checkout checkout, Path dir) throws Exception {
        Path log = dir.resolve("serve.log");
        ProcessBuilder builder = new ProcessBuilder(List.of(
                        "nohup",
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-Xmx256m",
                        "-XX:+UseSerialGC",
                        "-Dlora.home=" + checkout.home(),
                        Demo.class.getName(),
                        "serve",
                        dir.toString()))
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .redirectInput(Path.of("/dev/null").toFile());
        // Not as an argument: Java tells no arguments of a process that has more than 4096 characters of them, and
        // Background knows the process by its last one.
        builder.environment().put("CLASSPATH", System.getProperty("java.class.path"));
        Process serve = builder.start();
        long end = System.nanoTime() + START.toNanos();
        while (!Files.exists(dir.resolve(ServeCommand.PID))) {
            if (!serve.isAlive() || System.nanoTime() > end) {
                serve.destroy();
                throw new DemoException("the cluster did not start:\n" + Files.readString(log));
            }
            Thread.sleep(50);
        }
        System.out.println("A cluster with the operator runs in the background.");
    }
}

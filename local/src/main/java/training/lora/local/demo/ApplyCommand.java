package training.lora.local.demo;

import io.fabric8.kubernetes.client.Config;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientBuilder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code apply}: trains in the cluster of {@code up}. */
@Command(
        name = "apply",
        mixinStandardHelpOptions = true,
        description =
                "Trains in the cluster that `up` started and leaves demo-output/<n>/. Paths in FILE, relative to it,"
                        + " become claims.")
final class ApplyCommand implements Callable<Integer> {
    @Parameters(paramLabel = "FILE", description = "A LoraTraining.")
    private Path file = Path.of("");

    @Override
    public Integer call() throws Exception {
        Checkout checkout = Checkout.find();
        Path dir = checkout.cluster();
        if (Background.running(dir).isEmpty()) {
            throw new DemoException("no cluster runs; start one by ./demo up");
        }
        Training training = Training.read(file);
        try (KubernetesClient client = new KubernetesClientBuilder()
                .withConfig(Config.fromKubeconfig(Files.readString(dir.resolve("kubeconfig"))))
                .build()) {
            training.apply(client);
            RunCommand.finish(client, training.name(), new Collector(checkout, dir, checkout.newOutput()));
        }
        return 0;
    }
}

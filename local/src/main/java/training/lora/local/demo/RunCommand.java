package training.lora.local.demo;

import io.fabric8.kubernetes.client.KubernetesClient;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;
import training.lora.local.kubelet.Folders;

/** {@code run}: a cluster for one training. */
@Command(
        name = "run",
        mixinStandardHelpOptions = true,
        description = "Starts a cluster, trains, leaves demo-output/<n>/ and ends the cluster; the default.")
final class RunCommand implements Callable<Integer> {
    @Parameters(
            paramLabel = "FILE",
            arity = "0..1",
            description = "A LoraTraining; default: examples/blue-ink/training.yaml.")
    private @Nullable Path file;

    @Override
    public Integer call() throws Exception {
        Checkout checkout = Checkout.find();
        Training training = Training.read(file == null ? checkout.example() : file);
        Path output = checkout.newOutput();
        Path dir = output.resolve("cluster");
        Installation installation = Installation.start(checkout, dir, () -> tidy(dir, output));
        System.out.println("A cluster with the operator runs. To look into it from another terminal:");
        System.out.println("  export KUBECONFIG=" + installation.kubeconfig());
        System.out.println("  kubectl get loratraining -w");
        System.out.println();
        training.apply(installation.client());
        finish(installation.client(), training.name(), new Collector(checkout, dir, output));
        System.out.println();
        System.out.println("How to go on:");
        System.out.println("  ./demo FILE          the same with a training of your own");
        System.out.println("  ./demo up            a cluster that stays; it says which KUBECONFIG kubectl needs");
        System.out.println("  ./demo apply FILE    trains in that cluster");
        System.out.println("  ./demo down          ends it");
        System.out.println("  bin/lora-trainer sample --base " + training.base() + " --lora "
                + output.resolve(training.name() + ".safetensors")
                + " --prompt \"an emoji of a fox\" --seed 7 --out .");
        return 0;
    }

    /** Follows what was applied to its end and collects what came out. */
    static void finish(KubernetesClient client, String name, Collector collector)
            throws IOException, InterruptedException {
        System.out.println("loratraining.lora.training/" + name + " applied");
        collector.collect(new Follower(System.out, System.console() != null).follow(client, name));
    }

    /** Keeps the logs only. */
    private static void tidy(Path dir, Path output) {
        try {
            List<Path> logs;
            try (Stream<Path> files = Files.walk(dir)) {
                logs = files.filter(f -> f.toString().endsWith(".log") && !f.startsWith(dir.resolve("volumes")))
                        .toList();
            }
            for (Path log : logs) {
                Path copy = output.resolve("logs").resolve(name(dir, log));
                Files.createDirectories(copy.getParent());
                Files.copy(log, copy);
            }
            Folders.delete(dir);
        } catch (IOException e) {
            System.err.println("demo: the cluster's folder " + dir + " stays: " + e);
        }
    }

    /** A pod's log lies in a folder NAMESPACE_POD_UID and is named after the pod. */
    private static String name(Path dir, Path log) {
        Path inside = dir.relativize(log);
        return inside.startsWith("pods") ? inside.getName(1).toString().split("_", -1)[1] + ".log" : inside.toString();
    }
}

package training.lora.local.demo;

import io.fabric8.kubernetes.api.model.Condition;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.informers.ResourceEventHandler;
import java.io.PrintStream;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.api.LoraTrainingStatus;
import training.lora.api.Metric;
import training.lora.api.Progress;
import training.lora.api.StageStatus;

/** Shows a training's status while it changes: a bar on a terminal, else a line every few seconds. */
final class Follower {
    private static final long PLAIN_NANOS = 5_000_000_000L;
    private static final int BAR = 24;

    private final PrintStream out;
    private final boolean terminal;
    private final Set<String> told = new HashSet<>();
    private long lastPlain = System.nanoTime() - PLAIN_NANOS;

    Follower(PrintStream out, boolean terminal) {
        this.out = out;
        this.terminal = terminal;
    }

    /** Waits for the end; returns the resource as it is then. */
    LoraTraining follow(KubernetesClient client, String name) throws InterruptedException {
        BlockingQueue<LoraTraining> changes = new LinkedBlockingQueue<>();
        try (var informer = client.resources(LoraTraining.class)
                .inNamespace("default")
                .withName(name)
                .inform(new ResourceEventHandler<>() {
                    @Override
                    public void onAdd(LoraTraining resource) {
                        changes.add(resource);
                    }

                    @Override
                    public void onUpdate(LoraTraining before, LoraTraining after) {
                        changes.add(after);
                    }

                    @Override
                    public void onDelete(LoraTraining resource, boolean unknown) {
                        resource.setStatus(null);
                        changes.add(resource);
                    }
                })) {
            LoraTraining resource = changes.take();
            while (true) {
                LoraTrainingStatus status = resource.getStatus();
                if (status == null) {
                    throw new DemoException("LoraTraining " + name + " was deleted");
                }
                show(status);
                if (isTrue(status, "Complete") || isTrue(status, "Failed")) {
                    return resource;
                }
                resource = changes.take();
            }
        }
    }

    static boolean isTrue(LoraTrainingStatus status, String type) {
        return condition(status, type) != null;
    }

    /** The condition of that type, if it is true. */
    static @Nullable Condition condition(LoraTrainingStatus status, String type) {
        return status.conditions().stream()
                .filter(c -> c.getType().equals(type) && c.getStatus().equals("True"))
                .findFirst()
                .orElse(null);
    }

    private void show(LoraTrainingStatus status) {
        Progress progress = status.progress();
        if (progress != null && status.stages().stream().noneMatch(s -> isOver(s, progress))) {
            show(progress);
        }
        for (StageStatus stage : status.stages()) {
            if (told.add(stage.jobName() + "/begins")) {
                line(stage.name() + " begins, Job " + stage.jobName());
            }
            if (stage.outcome() != null && told.add(stage.jobName() + "/" + stage.outcome())) {
                line(stage.name() + " " + stage.outcome() + (stage.message() == null ? "" : ": " + stage.message()));
            }
        }
        Condition review = condition(status, "AwaitingReview");
        if (review != null && told.add(review.getMessage())) {
            line(review.getMessage());
        }
        if (isTrue(status, "Suspended") && told.add("suspended")) {
            line("suspended");
        }
    }

    private static boolean isOver(StageStatus stage, Progress progress) {
        return stage.name() == progress.stage() && stage.outcome() != null;
    }

    private void line(String text) {
        out.println((terminal ? "\r\u001b[K" : "") + text);
        out.flush();
    }

    private void show(Progress p) {
        if (p.step() == null || p.steps() == null) {
            return;
        }
        Metric loss = p.metrics().stream()
                .filter(m -> m.name().equals("loss"))
                .findFirst()
                .orElse(null);
        String left = p.estimatedRemainingSeconds() == null ? "" : "  " + p.remaining() + " left";
        String text = "%s %d/%d%s%s"
                .formatted(p.stage(), p.step(), p.steps(), loss == null ? "" : "  loss " + loss.value(), left);
        if (terminal) {
            int filled = p.steps() == 0 ? 0 : BAR * p.step() / p.steps();
            out.print("\r\u001b[K[" + "#".repeat(filled) + "-".repeat(BAR - filled) + "] " + text);
            out.flush();
        } else if (System.nanoTime() - lastPlain >= PLAIN_NANOS) {
            lastPlain = System.nanoTime();
            out.println(text);
        }
    }
}

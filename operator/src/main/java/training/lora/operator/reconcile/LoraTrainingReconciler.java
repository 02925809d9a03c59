package training.lora.operator.reconcile;

import io.fabric8.kubernetes.client.KubernetesClient;
import io.javaoperatorsdk.operator.api.config.informer.Informer;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.ControllerConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.LoraTraining;
import training.lora.operator.ConfiguredPods;
import training.lora.operator.LeaderElection;
import training.lora.operator.OperatorConfig;
import training.lora.operator.OperatorUrl;
import training.lora.operator.plan.Settings;
import training.lora.operator.progress.ProgressBoard;
import training.lora.operator.tls.TlsKeeper;

/**
 * Called when a spec, one of the Jobs or one of the pods changed, or when the plan asked for it. Failures are handled
 * here: the Java Operator SDK would write each with its stack trace.
 */
@ControllerConfiguration(
        name = "loratraining",
        // An annotation changes no generation.
        generationAwareEventProcessing = false,
        informer = @Informer(informerListLimit = Informers.PAGE, onUpdateFilter = WhatCounts.class))
public final class LoraTrainingReconciler implements Reconciler<LoraTraining> {
    private static final Logger LOG = LoggerFactory.getLogger(LoraTrainingReconciler.class);
    private static final int ANNOTATE_SECONDS = 5;

    private final KubernetesClient client;
    private final Settings settings;
    private final ProgressBoard progress;
    private final TlsKeeper tls;
    private final Setbacks setbacks = new Setbacks();
    private final LeaderElection election;
    private final ScheduledExecutorService annotator = Executors.newSingleThreadScheduledExecutor(task -> {
        Thread daemon = new Thread(task, "checkpoint-annotations");
        daemon.setDaemon(true);
        return daemon;
    });
    private @Nullable Rounds rounds;

    LoraTrainingReconciler(
            KubernetesClient client,
            OperatorConfig config,
            ProgressBoard progress,
            TlsKeeper tls,
            LeaderElection election) {
        this.client = client;
        this.settings = new Settings(
                config.trainer().image(),
                OperatorUrl.of(config).orElse(null),
                config.retry().delay(),
                config.retry().maxDelay(),
                ConfiguredPods.of(config));
        this.progress = progress;
        this.tls = tls;
        this.election = election;
    }

    @Override
    public List<EventSource<?, LoraTraining>> prepareEventSources(EventSourceContext<LoraTraining> context) {
        Informers heard = new Informers(context);
        progress.read(heard::resource, heard::pod);
        rounds = new Rounds(new KubernetesCluster(client, heard, tls), settings, Clock.systemUTC());
        CheckpointAnnotations annotations = new CheckpointAnnotations(client, heard, election::leads);
        annotator.scheduleWithFixedDelay(
                () -> annotate(annotations), ANNOTATE_SECONDS, ANNOTATE_SECONDS, TimeUnit.SECONDS);
        return heard.sources();
    }

    private static void annotate(CheckpointAnnotations annotations) {
        try {
            annotations.round();
        } catch (RuntimeException e) {
            // An exception that leaves here would end the rounds for good.
            LOG.error("checkpoints could not be told to pods: {}", e.toString());
        }
    }

    @Override
    public UpdateControl<LoraTraining> reconcile(LoraTraining resource, Context<LoraTraining> context) {
        UpdateControl<LoraTraining> control = UpdateControl.noUpdate();
        Duration next = next(resource);
        return next == null ? control : control.rescheduleAfter(next);
    }

    private @Nullable Duration next(LoraTraining resource) {
        if (rounds == null) {
            throw new IllegalStateException("the event sources must be prepared first");
        }
        try {
            if (!isOver(resource)) {
                tls.remember(resource.getMetadata().getNamespace());
            }
            Duration next = rounds.run(
                    resource.getMetadata().getNamespace(),
                    resource.getMetadata().getName());
            setbacks.over(resource);
            return next;
        } catch (RuntimeException e) {
            return setbacks.after(resource, e);
        }
    }

    private static boolean isOver(LoraTraining resource) {
        return resource.getStatus() != null
                && resource.getStatus().conditions().stream()
                        .anyMatch(c -> c.getStatus().equals("True")
                                && (c.getType().equals("Complete")
                                        || c.getType().equals("Failed")));
    }
}

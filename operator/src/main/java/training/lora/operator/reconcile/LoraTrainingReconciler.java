package training.lora.operator.reconcile;

import io.fabric8.kubernetes.api.model.batch.v1.Job;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.KubernetesClientException;
import io.javaoperatorsdk.operator.api.config.informer.InformerEventSourceConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.Context;
import io.javaoperatorsdk.operator.api.reconciler.ControllerConfiguration;
import io.javaoperatorsdk.operator.api.reconciler.EventSourceContext;
import io.javaoperatorsdk.operator.api.reconciler.Reconciler;
import io.javaoperatorsdk.operator.api.reconciler.UpdateControl;
import io.javaoperatorsdk.operator.processing.event.source.EventSource;
import io.javaoperatorsdk.operator.processing.event.source.informer.InformerEventSource;
import io.javaoperatorsdk.operator.processing.event.source.informer.Mappers;
import io.javaoperatorsdk.operator.processing.retry.GradualRetry;
import java.net.HttpURLConnection;
import java.time.Clock;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.api.LoraTraining;
import training.lora.operator.ConfiguredPods;
import training.lora.operator.OperatorConfig;
import training.lora.operator.plan.Names;
import training.lora.operator.plan.Settings;
import training.lora.operator.progress.ProgressBoard;

/**
 * Called when a spec or one of the Jobs changed, or when the plan asked for it. What was cached only tells that
 * something happened; what is decided on is read anew.
 */
@ControllerConfiguration(name = "loratraining")
@GradualRetry(maxAttempts = -1, initialInterval = 1000, intervalMultiplier = 2, maxInterval = 60000)
public final class LoraTrainingReconciler implements Reconciler<LoraTraining> {
    private final Rounds rounds;
    private final ProgressBoard progress;

    LoraTrainingReconciler(KubernetesClient client, OperatorConfig config, ProgressBoard progress) {
        Settings settings = new Settings(
                config.trainer().image(),
                config.operator().url().orElse(null),
                config.retry().delay(),
                config.retry().maxDelay(),
                ConfiguredPods.of(config));
        this.rounds = new Rounds(new KubernetesCluster(client), settings, Clock.systemUTC());
        this.progress = progress;
    }

    @Override
    public List<EventSource<?, LoraTraining>> prepareEventSources(EventSourceContext<LoraTraining> context) {
        progress.read(context.getPrimaryCache()::get);
        InformerEventSourceConfiguration<Job> jobs = InformerEventSourceConfiguration.from(
                        Job.class, LoraTraining.class)
                .withLabelSelector(Names.MANAGED_BY + "=" + Names.OPERATOR)
                .withSecondaryToPrimaryMapper(Mappers.fromOwnerReferences(LoraTraining.class))
                .withItemStore(new ThinJobs())
                .build();
        return List.of(new InformerEventSource<>(jobs, context));
    }

    @Override
    public UpdateControl<LoraTraining> reconcile(LoraTraining resource, Context<LoraTraining> context) {
        UpdateControl<LoraTraining> control = UpdateControl.noUpdate();
        Duration next;
        try {
            next = rounds.run(
                    resource.getMetadata().getNamespace(),
                    resource.getMetadata().getName());
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                throw e;
            }
            // Someone else wrote between reading and writing, most often our own progress: no error, only again.
            next = Duration.ofMillis(100);
        }
        return rescheduled(control, next);
    }

    private static UpdateControl<LoraTraining> rescheduled(
            UpdateControl<LoraTraining> control, @Nullable Duration next) {
        return next == null ? control : control.rescheduleAfter(next);
    }
}

package training.lora.operator.reconcile;

import java.time.Clock;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.LoraTraining;
import training.lora.operator.plan.Action;
import training.lora.operator.plan.Plan;
import training.lora.operator.plan.PlanResult;
import training.lora.operator.plan.Settings;

/** Reads, plans and acts until nothing more can be done at once. */
final class Rounds {
    private static final Logger LOG = LoggerFactory.getLogger(Rounds.class);
    /** More than any run needs at once: begin, end a stage, start the next. */
    private static final int MOST = 8;

    private final Cluster cluster;
    private final Settings settings;
    private final Clock clock;

    Rounds(Cluster cluster, Settings settings, Clock clock) {
        this.cluster = cluster;
        this.settings = settings;
        this.clock = clock;
    }

    /** Reconciles; returns when to do so again though nothing happens, or null. */
    @Nullable Duration run(String namespace, String name) {
        for (int round = 0; round < MOST; round++) {
            // The resource first: a Job that an entry speaks of was there before, so it can't be missed.
            LoraTraining resource = cluster.read(namespace, name);
            if (resource == null) {
                return null;
            }
            PlanResult plan = Plan.of(resource, cluster.observe(resource), settings, clock.instant());
            try {
                act(resource, plan);
            } catch (NameTakenException e) {
                plan = Plan.nameTaken(resource, e.what(), settings, clock.instant());
                actOnNameTaken(resource, plan);
            }
            if (!plan.again()) {
                return plan.reschedule();
            }
        }
        return Duration.ofSeconds(1);
    }

    private void act(LoraTraining resource, PlanResult plan) throws NameTakenException {
        for (Action action : plan.actions()) {
            cluster.apply(resource, action);
            if (action instanceof Action.Emit emit) {
                LOG.info(
                        "{}/{}: {}",
                        resource.getMetadata().getNamespace(),
                        resource.getMetadata().getName(),
                        emit.message());
            }
        }
    }

    private void actOnNameTaken(LoraTraining resource, PlanResult plan) {
        try {
            act(resource, plan);
        } catch (NameTakenException e) {
            throw new IllegalStateException("a plan for a taken name creates nothing", e);
        }
    }
}

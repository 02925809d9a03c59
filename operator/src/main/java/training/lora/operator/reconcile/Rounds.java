package training.lora.operator.reconcile;

import io.fabric8.kubernetes.client.KubernetesClientException;
import java.net.HttpURLConnection;
import java.time.Clock;
import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import training.lora.api.LoraTraining;
import training.lora.operator.plan.Action;
import training.lora.operator.plan.Names;
import training.lora.operator.plan.Observed;
import training.lora.operator.plan.Plan;
import training.lora.operator.plan.PlanResult;
import training.lora.operator.plan.Settings;
import training.lora.operator.plan.Stall;

/**
 * Plans and acts until nothing more can be done at once. What is known from the informers may be old, so it only tells
 * that nothing is to be done, or begins a run; all else is planned again on what is then read from the API server.
 *
 * <p>A run begins by its objects alone. Of many resources that are created at once each has its Job before the status of the
 * first is written, which costs the API server several times as much as a Job.
 */
final class Rounds {
    private static final Logger LOG = LoggerFactory.getLogger(Rounds.class);
    /** More than any run needs at once: begin, end a stage, start the next, and each read anew. */
    private static final int MOST = 12;
    /** The informer tells of a Job that was created before that; if not, it is created again, which changes nothing. */
    private static final Duration SEEN = Duration.ofSeconds(2);

    private final Cluster cluster;
    private final Settings settings;
    private final Clock clock;

    Rounds(Cluster cluster, Settings settings, Clock clock) {
        this.cluster = cluster;
        this.settings = settings;
        this.clock = clock;
    }

    /**
     * A resource and what there is of its run.
     *
     * @param current whether it is good enough to act on
     */
    private record Sight(LoraTraining resource, Observed observed, boolean current) {}

    /** Reconciles; returns when to do so again though nothing happens, or null. */
    @Nullable Duration run(String namespace, String name) {
        Sight sight = heard(namespace, name);
        for (int round = 0; round < MOST; round++) {
            if (sight == null) {
                return null;
            }
            PlanResult plan = plan(sight);
            if (!plan.actions().isEmpty() && !sight.current()) {
                if (!begins(sight, plan)) {
                    sight = read(namespace, name);
                    continue;
                }
                plan = plan.changesObjects() ? plan.objectsOnly(SEEN) : plan;
            }
            try {
                sight = act(sight, plan);
            } catch (NameTakenException e) {
                return stall(sight.resource(), e.taken().plan(sight.resource(), clock.instant()));
            } catch (RefusedException e) {
                return refused(sight.resource(), e);
            } catch (KubernetesClientException e) {
                if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                    throw e;
                }
                // Someone else wrote between reading and writing, most often our own progress.
                sight = read(namespace, name);
                continue;
            }
            if (!plan.again()) {
                return plan.reschedule();
            }
        }
        return Duration.ofSeconds(1);
    }

    private PlanResult plan(Sight sight) {
        return sight.resource() instanceof UnreadableTraining unreadable
                ? Stall.unreadable(unreadable, unreadable.problem(), clock.instant())
                : Plan.of(sight.resource(), sight.observed(), settings, clock.instant());
    }

    private @Nullable Sight heard(String namespace, String name) {
        LoraTraining resource = cluster.heard(namespace, name);
        return resource == null ? null : new Sight(resource, cluster.heard(resource), false);
    }

    private @Nullable Sight read(String namespace, String name) {
        // The resource first: a Job that an entry speaks of was there before, so it can't be missed.
        LoraTraining resource = cluster.read(namespace, name);
        return resource == null ? null : new Sight(resource, cluster.observe(resource), true);
    }

    /**
     * Whether the plan begins a run. Creating its objects twice does no harm: they have names of their own, and a Job that was
     * made for a resource that has gone or changed since is collected with it or replaced. A status that was written since
     * is not overwritten, which the API server sees to.
     */
    private static boolean begins(Sight sight, PlanResult plan) {
        LoraTraining resource = sight.resource();
        boolean untouched = resource.getStatus() == null
                || (resource.getStatus().runId() == null
                        && resource.getStatus().stages().isEmpty());
        return untouched && (nothing(sight.observed()) || onlyEnters(plan));
    }

    /** How an attempt ended is judged by what is read, since its pods may not have been heard of yet. */
    private static boolean onlyEnters(PlanResult plan) {
        return !plan.changesObjects() && plan.status().stages().stream().allMatch(stage -> stage.outcome() == null);
    }

    private static boolean nothing(Observed observed) {
        return observed.jobs().isEmpty() && observed.pods().isEmpty();
    }

    /** Returns what holds after it. */
    private @Nullable Sight act(Sight sight, PlanResult plan) throws NameTakenException, RefusedException {
        LoraTraining resource = sight.resource();
        boolean jobsChange = false;
        for (Action action : plan.actions()) {
            resource = cluster.apply(resource, action);
            jobsChange |= action instanceof Action.CreateJob || action instanceof Action.DeleteJob;
            if (action instanceof Action.Emit emit) {
                LOG.info("{}: {}", Names.path(resource), emit.message());
            }
        }
        if (jobsChange && plan.again()) {
            return read(
                    resource.getMetadata().getNamespace(),
                    resource.getMetadata().getName());
        }
        // A write that was taken shows that the resource was the newest one, and so is what it became.
        boolean written = resource != sight.resource();
        return new Sight(resource, sight.observed(), sight.current() || written);
    }

    private @Nullable Duration refused(LoraTraining resource, RefusedException e) {
        if (e.namespaceGoes()) {
            LOG.info("{}: nothing more is done, since its namespace is being deleted", Names.path(resource));
            return null;
        }
        PlanResult plan = Stall.refused(resource, e.what(), e.sentence(), settings, clock.instant());
        LOG.warn("{}: the API server refuses {}: {}", Names.path(resource), e.what(), e.sentence());
        return stall(resource, plan);
    }

    private @Nullable Duration stall(LoraTraining resource, PlanResult plan) {
        try {
            LoraTraining next = resource;
            for (Action action : plan.actions()) {
                next = cluster.apply(next, action);
            }
        } catch (NameTakenException | RefusedException e) {
            throw new IllegalStateException("a plan for a run that can't go on creates nothing", e);
        } catch (KubernetesClientException e) {
            if (e.getCode() != HttpURLConnection.HTTP_CONFLICT) {
                throw e;
            }
            return Duration.ofSeconds(1);
        }
        return plan.reschedule();
    }
}

package training.lora.trainer.adapter;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import training.lora.api.AdapterOverrideSpec;
import training.lora.api.AdapterSpec;
import training.lora.api.AdapterType;
import training.lora.api.LoraTrainingSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.layer.Projection;

/**
 * The form of an adapter.
 *
 * @param type what stands beside a projection
 * @param rank rank of the factors
 * @param alpha the scale is alpha / rank
 * @param rankStabilized whether the scale is alpha / sqrt(rank) instead, rsLoRA of Kalajdzievski 2023
 * @param factor of LoKr's matrices, as {@link Lokr.Split#of} takes it
 * @param dropouts what a pass of training leaves out
 * @param maximumNorm greatest norm of what a module adds to its weight, which a LoRA is scaled down to after a step; null for any
 * @param targets which projections are adapted, as {@link Target} has them
 * @param overrides ranks and alphas of some of these; the last that matches counts
 * @param lockedKeys rank of what stands beside the keys of cross-attentions of texts, targeted or not, and is not trained; 0 where
 *     they are as others
 */
public record LoraSettings(
        AdapterType type,
        int rank,
        double alpha,
        boolean rankStabilized,
        int factor,
        Dropouts dropouts,
        @Nullable Double maximumNorm,
        List<String> targets,
        List<AdapterOverrideSpec> overrides,
        int lockedKeys) {
    /** LoKr's factor where none is given: as equal as can be. */
    private static final int EQUAL = -1;

    private static final String SPEC = "spec.training.adapter.";

    public LoraSettings {
        targets = List.copyOf(targets);
        overrides = List.copyOf(overrides);
    }

    /** A plain LoRA. */
    public LoraSettings(int rank, double alpha, List<String> targets) {
        this(rank, alpha, false, 0, targets, List.of());
    }

    /** A LoRA. */
    public LoraSettings(
            int rank,
            double alpha,
            boolean rankStabilized,
            double dropout,
            List<String> targets,
            List<AdapterOverrideSpec> overrides) {
        this(AdapterType.LoRA, rank, alpha, rankStabilized, dropout, targets, overrides);
    }

    /** Of any kind. */
    public LoraSettings(
            AdapterType type,
            int rank,
            double alpha,
            boolean rankStabilized,
            double dropout,
            List<String> targets,
            List<AdapterOverrideSpec> overrides) {
        this(type, rank, alpha, rankStabilized, EQUAL, dropout, targets, overrides);
    }

    /** Of any kind, with LoKr's factor. */
    public LoraSettings(
            AdapterType type,
            int rank,
            double alpha,
            boolean rankStabilized,
            int factor,
            double dropout,
            List<String> targets,
            List<AdapterOverrideSpec> overrides) {
        this(type, rank, alpha, rankStabilized, factor, Dropouts.ofEntries(dropout), null, targets, overrides);
    }

    /** All of whose modules are trained. */
    LoraSettings(
            AdapterType type,
            int rank,
            double alpha,
            boolean rankStabilized,
            int factor,
            Dropouts dropouts,
            @Nullable Double maximumNorm,
            List<String> targets,
            List<AdapterOverrideSpec> overrides) {
        this(type, rank, alpha, rankStabilized, factor, dropouts, maximumNorm, targets, overrides, 0);
    }

    /** As the spec has it. */
    public static LoraSettings of(AdapterSpec spec) {
        return new LoraSettings(
                spec.type(),
                spec.rank(),
                spec.alpha(),
                spec.rankStabilized(),
                spec.factor() == null ? EQUAL : spec.factor(),
                Dropouts.of(spec),
                spec.maximumNorm(),
                spec.targets(),
                spec.overrides());
    }

    /** The adapter of {@code spec}, with its locked keys. */
    public static LoraSettings of(LoraTrainingSpec spec) {
        LoraSettings own = of(spec.training().adapter());
        return new LoraSettings(
                own.type,
                own.rank,
                own.alpha,
                own.rankStabilized,
                own.factor,
                own.dropouts,
                own.maximumNorm,
                own.targets,
                own.overrides,
                spec.lockedKeys());
    }

    private boolean locks(Projection projection) {
        return lockedKeys > 0 && projection.makesKeysOfText();
    }

    /** What stands beside a projection. */
    AdapterKind kind(Chosen chosen) {
        if (locks(chosen.projection())) {
            // The scale is 1, in the way of the other modules: a file of diffusers has but one.
            return new Lora(lockedKeys, rankStabilized ? Math.sqrt(lockedKeys) : lockedKeys, rankStabilized);
        }
        Lora product = new Lora(chosen.rank(), chosen.alpha(), rankStabilized);
        return switch (type) {
            case LoRA -> product;
            case DoRA -> new Dora(product, Dora.Norm.Adapted);
            case LoHa -> new Loha(chosen.rank(), chosen.alpha(), rankStabilized);
            case LoKr -> Lokr.of(chosen.projection(), chosen.rank(), chosen.alpha(), rankStabilized, factor);
        };
    }

    /** A projection that is adapted, with its own rank and alpha. */
    public record Chosen(Projection projection, int rank, double alpha) {}

    /**
     * The projections that are meant, in the network's order.
     *
     * @throws TrainerException InvalidConfiguration if a target or an override names none but locked keys, or a rank is above a
     *     projection's size
     */
    public List<Chosen> select(List<Projection> all) {
        Set<Projection> targeted = new LinkedHashSet<>();
        for (int i = 0; i < targets.size(); i++) {
            targeted.addAll(new Target(SPEC + "targets[" + i + "]", targets.get(i)).matches(all));
        }
        List<Projection> projections =
                all.stream().filter(p -> targeted.contains(p) || locks(p)).toList();
        List<Projection> trained = projections.stream().filter(p -> !locks(p)).toList();
        if (lockedKeys > 0 && trained.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`%stargets` must have more than keys of cross-attentions, which `spec.training.tokens.keyLock` locks, was %s"
                            .formatted(SPEC, targets));
        }
        List<Set<Projection>> overridden = new ArrayList<>();
        for (int i = 0; i < overrides.size(); i++) {
            Target target = new Target(
                    SPEC + "overrides[" + i + "].target", overrides.get(i).target());
            overridden.add(new LinkedHashSet<>(target.matches(trained)));
        }
        List<Chosen> chosen = new ArrayList<>();
        for (Projection p : projections) {
            String field = SPEC + "rank";
            int ownRank = rank;
            double ownAlpha = alpha;
            for (int i = 0; i < overrides.size(); i++) {
                AdapterOverrideSpec override = overrides.get(i);
                if (overridden.get(i).contains(p)) {
                    field = override.rank() == null ? field : SPEC + "overrides[" + i + "].rank";
                    ownRank = override.rank() == null ? ownRank : override.rank();
                    ownAlpha = override.alpha() == null ? ownAlpha : override.alpha();
                }
            }
            if (type != AdapterType.LoKr && !locks(p) && ownRank > p.greatestRank()) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "`%s` must be at most %d, the size of %s, was %d"
                                .formatted(field, p.greatestRank(), p.path(), ownRank));
            }
            chosen.add(new Chosen(p, ownRank, ownAlpha));
        }
        return chosen;
    }
}

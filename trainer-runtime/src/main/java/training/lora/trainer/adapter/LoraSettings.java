package training.lora.trainer.adapter;

import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Pattern;
import training.lora.api.AdapterSpec;
import training.lora.api.Reason;
import training.lora.trainer.TrainerException;
import training.lora.trainer.model.Projection;

/**
 * The form of an adapter.
 *
 * @param rank rank of the factors
 * @param alpha the scale is alpha / rank
 * @param rankStabilized whether the scale is alpha / sqrt(rank) instead, rsLoRA of Kalajdzievski 2023
 * @param dropout share of the entries of a projection's input that training hides from the adapter
 * @param targets names of groups, or patterns over paths in which {@code *} stands for anything
 */
public record LoraSettings(int rank, double alpha, boolean rankStabilized, double dropout, List<String> targets) {
    /** A plain LoRA. */
    public LoraSettings(int rank, double alpha, List<String> targets) {
        this(rank, alpha, false, 0, targets);
    }

    /** As the spec has it. */
    public static LoraSettings of(AdapterSpec spec) {
        return new LoraSettings(spec.rank(), spec.alpha(), spec.rankStabilized(), spec.dropout(), spec.targets());
    }

    /**
     * The projections that are meant, in the network's order.
     *
     * @throws TrainerException InvalidConfiguration if a target names none, or the rank is above a projection's size
     */
    List<Projection> select(List<Projection> all) {
        Set<Projection> chosen = new LinkedHashSet<>();
        List<String> unmatched = new ArrayList<>();
        for (String target : targets) {
            Pattern pattern = Pattern.compile(Pattern.quote(target).replace("*", "\\E.*\\Q"));
            List<Projection> matches = all.stream()
                    .filter(p -> p.group().name().equals(target)
                            || pattern.matcher(p.path()).matches())
                    .toList();
            if (matches.isEmpty()) {
                unmatched.add(target);
            }
            chosen.addAll(matches);
        }
        if (!unmatched.isEmpty()) {
            throw new TrainerException(
                    Reason.InvalidConfiguration,
                    "`spec.training.adapter.targets` must be Attention or match a projection of the denoiser, such as "
                            + all.get(0).path() + ", but nothing matches " + String.join(", ", unmatched));
        }
        for (Projection p : chosen) {
            if (rank > Math.min(p.in(), p.out())) {
                throw new TrainerException(
                        Reason.InvalidConfiguration,
                        "`spec.training.adapter.rank` must be at most %d, the size of %s, was %d"
                                .formatted(Math.min(p.in(), p.out()), p.path(), rank));
            }
        }
        return all.stream().filter(chosen::contains).toList();
    }
}

package training.lora.trainer.train.objective;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.AttentionScores;
import training.lora.trainer.tensor.TorchScript;

/**
 * A loss on where a denoiser looks for new tokens (DAAM, Tang et al. 2023), as in Eden's trainer ({@code token_attention_loss_w}).
 * S (B, h, w, tokens) are the {@link AttentionScores} of a layer, resized to the smallest layer's by bicubic interpolation; E a mean,
 * S_ti the mean over layers for the places of new tokens, M the masks:
 *
 * <pre>5 E[relu(E_layers,places S)^2] + E[relu(S_ti M)^2] + 2 E[relu(S_ti (1 - M) + 10)^2] + E[Var_tokens(E_places S_ti)]</pre>
 *
 * The first is over a prompt's tokens without its begin and end. Where no prompt has new tokens there is no loss; the variance of one
 * token is 0.
 *
 * @param weight of it
 */
public record TokenAttention(double weight) {
    private static final Map<String, TorchScript> SCRIPTS = new HashMap<>();

    /**
     * Where a prompt has its tokens, in what text encoders make of it.
     *
     * @param length place of its end
     * @param added places of its new tokens, of one word, each once; empty for none
     */
    public record Places(int length, List<Integer> added) {
        public Places {
            added = List.copyOf(added);
        }
    }

    /**
     * Gives {@code scores} their gradients.
     *
     * @param latents shape (B, C, h, w) of what is denoised
     * @param masks (B, 1, h, w), from 0 to 1; null: all counts
     * @param places of each of the B prompts; those that have new tokens have as many
     * @param share of the step's samples
     * @return the loss, times its weight and share, a scalar in {@code scope}
     */
    public NDArray addTo(
            AttentionScores scores,
            Shape latents,
            @Nullable NDArray masks,
            List<Places> places,
            double share,
            NDManager scope) {
        List<NDArray> all = scores.all();
        long tokens = all.get(0).getShape().get(2);
        int count = places.stream().mapToInt(p -> p.added().size()).max().orElse(0);
        if (count == 0) {
            scores.gradients(all.stream().map(s -> scope.zeros(s.getShape())).toList());
            return scope.zeros(new Shape());
        }
        int batch = places.size();
        float[] prompt = new float[batch * (int) tokens];
        float[] added = new float[batch * count * (int) tokens];
        float[] valid = new float[batch];
        long with = places.stream().filter(p -> !p.added().isEmpty()).count();
        for (int b = 0; b < batch; b++) {
            Places of = places.get(b);
            for (int s = 1; s < of.length(); s++) {
                prompt[b * (int) tokens + s] = 1f / ((of.length() - 1) * batch);
            }
            for (int k = 0; k < of.added().size(); k++) {
                added[(b * count + k) * (int) tokens + of.added().get(k)] = 1;
            }
            valid[b] = of.added().isEmpty() ? 0 : 1f / with;
        }
        List<NDArray> inputs = new ArrayList<>(all);
        inputs.add(masks == null ? scope.ones(new Shape(batch, 1, latents.get(2), latents.get(3))) : masks);
        inputs.add(scope.create(prompt, new Shape(batch, tokens)));
        inputs.add(scope.create(added, new Shape(batch, count, tokens)));
        inputs.add(scope.create(valid, new Shape(batch)));
        inputs.add(scope.create((float) (weight * share)));
        NDList results = script(all, latents, count).callAll(scope, inputs.toArray(NDArray[]::new));
        scores.gradients(results.subList(1, results.size()));
        return results.get(0);
    }

    /** Height and width of a layer with {@code places}; each level halves them, rounded up. */
    private static long[] size(long places, Shape latents) {
        long height = latents.get(2);
        long width = latents.get(3);
        while (height * width > places) {
            height = (height + 1) / 2;
            width = (width + 1) / 2;
        }
        if (height * width != places) {
            throw new IllegalArgumentException("a layer of latents %s can't have %d places".formatted(latents, places));
        }
        return new long[] {height, width};
    }

    /** Loss and gradients by autograd, through fp32 arrays of a few million numbers in all. */
    private static synchronized TorchScript script(List<NDArray> scores, Shape latents, int count) {
        long smallest =
                scores.stream().mapToLong(s -> s.getShape().get(1)).min().orElseThrow();
        long[] least = size(smallest, latents);
        List<String> inputs = new ArrayList<>();
        List<String> lines = new ArrayList<>(List.of("mode = torch.is_grad_enabled()", "torch.set_grad_enabled(True)"));
        List<String> leaves = new ArrayList<>();
        List<String> resized = new ArrayList<>();
        for (int i = 0; i < scores.size(); i++) {
            inputs.add("s" + i);
            leaves.add("l" + i);
            resized.add("r" + i);
            long[] size = size(scores.get(i).getShape().get(1), latents);
            lines.add("l%1$d = torch.requires_grad_(torch.detach(s%1$d))".formatted(i));
            String map = "torch.reshape(torch.transpose(l%d, 1, 2), [torch.size(l%d, 0), torch.size(l%d, 2), %d, %d])"
                    .formatted(i, i, i, size[0], size[1]);
            lines.add("r%d = %s"
                    .formatted(
                            i,
                            size[0] * size[1] == smallest
                                    ? map
                                    : "torch.upsample_bicubic2d(%s, [%d, %d], False, None, None)"
                                            .formatted(map, least[0], least[1])));
        }
        inputs.addAll(List.of("m", "p", "e", "v", "w"));
        lines.add("a = torch.mean(torch.flatten(torch.stack([%s]), 3, 4), [0])".formatted(String.join(", ", resized)));
        lines.add("n = torch.relu(torch.mean(a, [2]))");
        lines.add("x = torch.mul(torch.sum(torch.mul(torch.mul(n, n), p)), 5.)");
        lines.add("t = torch.bmm(e, a)");
        lines.add("k = torch.flatten(torch.upsample_nearest2d(m, [%d, %d], None, None), 2, 3)"
                .formatted(least[0], least[1]));
        lines.add("i = torch.relu(torch.mul(t, k))");
        lines.add("o = torch.relu(torch.add(torch.mul(t, torch.rsub(k, 1.)), 10.))");
        lines.add("c = torch.add(torch.mul(i, i), torch.mul(torch.mul(o, o), 2.))");
        String both = "torch.mean(c, [1, 2])";
        if (count > 1) {
            both = "torch.add(%s, torch.var(torch.mean(t, [2]), [1], True, False))".formatted(both);
        }
        lines.add("y = torch.sum(torch.mul(%s, v))".formatted(both));
        lines.add("z = torch.mul(torch.add(x, y), w)");
        lines.add("g = torch.autograd.grad([z], [%s])".formatted(String.join(", ", leaves)));
        lines.add("torch.set_grad_enabled(mode)");
        List<String> results = new ArrayList<>(List.of("torch.detach(z)"));
        for (int i = 0; i < scores.size(); i++) {
            results.add("torch._unwrap_optional(g[%d])".formatted(i));
        }
        lines.add("return (%s)".formatted(String.join(", ", results)));
        return SCRIPTS.computeIfAbsent(
                String.join("\n", lines), text -> TorchScript.compile(inputs, lines, results.size()));
    }
}

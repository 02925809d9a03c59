package training.lora.trainer.model.text;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import training.lora.trainer.model.layer.kernel.Snippets;
import training.lora.trainer.tensor.TorchScript;

/**
 * Where added tokens stand in texts; all arrays are int64 (m).
 *
 * @param texts number of the text
 * @param positions place in it
 * @param tokens which of the added tokens it is
 */
record AddedPlaces(NDArray texts, NDArray positions, NDArray tokens) {
    /**
     * Adds to g (n, C) what d (B, S, C) has at the places of each token. By a product and not by indices, whose sums have no
     * fixed order on a card.
     */
    private static final TorchScript GRADIENT = TorchScript.compile("g, d, b, s, k", """
            r = torch.to(torch.index(d, [b, s]), 6)
            n = torch.unsqueeze(%s, 1)
            return torch.add_(g, torch.mm(torch.to(torch.eq(n, k), 6), r))
            """.formatted(Snippets.rows("g")));

    /** Those of {@code all}; null where they have none. */
    static @Nullable AddedPlaces of(List<Tokens> all, NDManager scope) {
        List<long[]> places = new ArrayList<>();
        for (int text = 0; text < all.size(); text++) {
            long[] ids = all.get(text).ids();
            for (int position = 0; position < ids.length; position++) {
                if (ids[position] < 0) {
                    places.add(new long[] {text, position, Tokens.index(ids[position])});
                }
            }
        }
        return places.isEmpty()
                ? null
                : new AddedPlaces(column(places, 0, scope), column(places, 1, scope), column(places, 2, scope));
    }

    private static NDArray column(List<long[]> places, int column, NDManager scope) {
        return scope.create(places.stream().mapToLong(place -> place[column]).toArray());
    }

    /** Adds to {@code gradient} (n, C) what belongs to it of {@code embedded} (B, S, C), the gradient of embedded texts. */
    void addTo(NDArray gradient, NDArray embedded, NDManager scope) {
        GRADIENT.call(scope, gradient, embedded, texts, positions, tokens);
    }
}

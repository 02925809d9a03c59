package training.lora.trainer.adapter;

import training.lora.trainer.model.layer.Projection;

/**
 * A projection with what stands beside it, and its place in an adapter's array.
 *
 * @param projection what is adapted
 * @param kind what stands beside it
 * @param offset where the first of the kind's parts starts; the others follow it
 */
public record AdaptedProjection(Projection projection, AdapterKind kind, long offset) {
    /** Its rank. */
    public int rank() {
        return kind.rank();
    }

    /** Numbers in all parts. */
    public long size() {
        return kind.parts().stream().mapToLong(this::size).sum();
    }

    /** Numbers in a part. */
    long size(AdapterPart part) {
        return kind.shape(part, projection).size();
    }

    /** Where a part starts. */
    public long offset(AdapterPart part) {
        return offset
                + kind.parts().stream()
                        .takeWhile(p -> p != part)
                        .mapToLong(this::size)
                        .sum();
    }
}

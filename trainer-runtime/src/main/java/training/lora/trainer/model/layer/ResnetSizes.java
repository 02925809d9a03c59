package training.lora.trainer.model.layer;

import io.soabase.recordbuilder.core.RecordBuilder;

/**
 * Widths of a ResNet.
 *
 * @param in channels that come from the layer before
 * @param skipped channels that a skip connection puts behind them; 0 for none
 * @param out channels that leave it
 * @param time width of the time embedding; 0 for none, as in an autoencoder
 */
@RecordBuilder
public record ResnetSizes(long in, long skipped, long out, long time) {
    /** Without a skip connection and a time embedding. */
    public static ResnetSizes plain(long in, long out) {
        return ResnetSizesBuilder.builder().in(in).skipped(0).out(out).time(0).build();
    }

    /** Channels that it works on. */
    long all() {
        return in + skipped;
    }
}

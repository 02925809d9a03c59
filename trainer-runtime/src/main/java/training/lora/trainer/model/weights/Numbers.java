package training.lora.trainer.model.weights;

import ai.djl.Device;
import training.lora.api.BaseWeights;
import training.lora.api.Precision;
import training.lora.trainer.tensor.Processor;

/**
 * The numbers that a network's weights are kept in and its layers compute in. Norms' weights and statistics are always fp32.
 *
 * @param kept precision of the weights in memory
 * @param computed precision of activations, and of weights while a layer uses them
 * @param form of the weights of linear maps and convolutions; where it is not Full they are made in {@code computed}
 */
public record Numbers(Precision kept, Precision computed, BaseWeights form) {
    /** Everything in fp32, as files have it. */
    public static final Numbers SINGLE = new Numbers(Precision.Float32, Precision.Float32, BaseWeights.Full);

    /**
     * Those of {@code precision} on {@code device}. A processor that multiplies no bf16 numbers computes in fp32 on weights that
     * are kept in bf16: libtorch emulates such products, at a tenth of the speed or less.
     */
    public static Numbers of(Precision precision, BaseWeights form, Device device) {
        boolean emulated = precision == Precision.BFloat16 && device.equals(Device.cpu()) && !Processor.hasBFloat16();
        return new Numbers(precision, emulated ? Precision.Float32 : precision, form);
    }

    /** The same with every weight in full. */
    Numbers inFull() {
        return new Numbers(kept, computed, BaseWeights.Full);
    }

    /** The same with every weight in full and kept as it is used. */
    Numbers asUsed() {
        return new Numbers(computed, computed, BaseWeights.Full);
    }

    /** Whether layers use other weights than those that are kept, which are made for each use. */
    public boolean remakes() {
        return form != BaseWeights.Full || widens();
    }

    /** Whether weights in full are made wider for the layers that use them. */
    public boolean widens() {
        return kept != computed;
    }
}

package ai.djl.pytorch.engine;

import ai.djl.Device;

/**
 * DJL's class of this name, in whose place it stands in tests: what DJL takes for a card is libtorch's meta device, whose
 * tensors have shapes and no values, and what is called {@link #PRETENDED} lives in the CPU's memory though it isn't
 * called so. No machine needs a card for that, and no test can use one.
 */
public final class PtDeviceType {
    /** The other name of the CPU. */
    public static final Device PRETENDED = Device.of("pretended", 0);

    private static final int CPU = 0;
    private static final int META = 14;

    private PtDeviceType() {}

    /** libtorch's number of a device's type. */
    public static int toDeviceType(Device device) {
        return device.isGpu() ? META : CPU;
    }

    /** DJL's name of libtorch's type. */
    public static String fromDeviceType(int type) {
        return switch (type) {
            case CPU -> Device.Type.CPU;
            case META -> Device.Type.GPU;
            default -> throw new IllegalArgumentException("device type " + type);
        };
    }
}

// The first order, from .NET over the C ABI: lists operations, listens for completions, saves an order and
// waits until it is built.
//
// PICO_API_ENDPOINT=... PICO_API_TOKEN=... FirstOrder [ORDER-ID [OPERATION-ID]]
//
// The last line it prints is: completed <order id> <serial>

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.Win32.SafeHandles;

internal static class FirstOrder
{
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(60);

    private static int Main(string[] arguments)
    {
        string orderId = arguments.Length > 0 ? arguments[0] : "ERP-ORDER-1";
        try
        {
            using var pico = new Pico();

            // 1. What can be built?
            IReadOnlyList<(string Id, string Name)> operations = pico.Operations();
            Console.WriteLine($"{operations.Count} operations");
            if (arguments.Length < 2 && operations.Count == 0)
            {
                Console.Error.WriteLine("there is no operation to order");
                return 1;
            }
            string operationId = arguments.Length > 1 ? arguments[1] : operations[0].Id;

            // 2. Listen before ordering: Pico does not repeat a completion that nobody heard.
            using Completions completions = pico.ListenForCompletions(orderId);
            Wait(completions.Opened, "the stream of completions to open");

            // 3. Save the order. Saving the same one again would update it.
            bool created = pico.SaveOrder(orderId, operationId);
            Console.WriteLine($"{(created ? "created" : "updated")} {orderId} of {operationId}");

            // 4. Wait until the floor has built it.
            string serial = Wait(completions.Completed, $"{orderId} to be completed");
            Console.WriteLine($"completed {orderId} {serial}");
            return 0;
        }
        catch (Exception error) when (error is PicoException or TimeoutException)
        {
            Console.Error.WriteLine(error.Message);
            return 1;
        }
    }

    private static T Wait<T>(Task<T> task, string what)
    {
        if (Task.WaitAny(new Task[] { task }, Deadline) < 0)
        {
            throw new TimeoutException($"waited {Deadline.TotalSeconds} s in vain for {what}");
        }
        return task.GetAwaiter().GetResult();
    }
}

/// <summary>What failed, with the status of pico_erp.h.</summary>
internal sealed class PicoException : Exception
{
    public PicoException(int status, string message) : base(message) => Status = status;

    public int Status { get; }
}

/// <summary>A client with the endpoint and the token of the environment.</summary>
internal sealed class Pico : IDisposable
{
    private readonly ClientHandle client;

    public Pico() => Native.Check(Native.pico_client_from_environment(out client, out nint error), error);

    public IReadOnlyList<(string Id, string Name)> Operations()
    {
        Native.Check(Native.pico_client_operations(client, 0, 0, out OperationsHandle list, out nint error), error);
        using (list)
        {
            var operations = new List<(string, string)>();
            for (nuint index = 0; index < Native.pico_operations_count(list); index++)
            {
                // The view points into the list: everything that is kept is copied.
                var operation = Marshal.PtrToStructure<Native.Operation>(Native.pico_operations_at(list, index));
                operations.Add((Native.Text(operation.Id) ?? "", Native.Text(operation.Name) ?? ""));
            }
            return operations;
        }
    }

    public bool SaveOrder(string orderId, string operationId)
    {
        var order = new Native.OrderSave
        {
            StructSize = (uint)Marshal.SizeOf<Native.OrderSave>(),
            OperationId = operationId,
            ExternalOrderId = orderId,
        };
        Native.Check(Native.pico_client_save_order(client, in order, 0, out int outcome, out nint error), error);
        return outcome == Native.SavedCreated;
    }

    public Completions ListenForCompletions(string orderId) => new(client, orderId);

    public void Dispose() => client.Dispose();
}

/// <summary>Completions of one order, received by callback.</summary>
internal sealed class Completions : IDisposable
{
    // C gets a number and never a reference: a callback that came late would find nothing here, where a
    // reference would lead to an object that is gone.
    private static readonly ConcurrentDictionary<nint, Completions> Registry = new();
    private static long lastId;

    private readonly string orderId;
    private readonly SubscriptionHandle subscription;
    private readonly TaskCompletionSource<bool> opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<string> completed = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public unsafe Completions(ClientHandle client, string orderId)
    {
        this.orderId = orderId;
        nint id = (nint)Interlocked.Increment(ref lastId);
        Registry[id] = this;
        var callback = new Native.EventCallback { Call = &OnEvent, Drop = &OnDrop, UserData = id };
        int status = Native.pico_client_order_completes_stream(
            client, 0, in callback, out subscription, out nint error);
        if (status != Native.Ok)
        {
            // What could not be opened never calls OnDrop.
            Registry.TryRemove(id, out _);
        }
        Native.Check(status, error);
    }

    public Task<bool> Opened => opened.Task;

    /// <summary>The serial of the unit that was built, or "-".</summary>
    public Task<string> Completed => completed.Task;

    // Freeing ends the subscription; OnDrop follows when the last call has returned.
    public void Dispose() => subscription.Dispose();

    [UnmanagedCallersOnly(CallConvs = new[] { typeof(CallConvCdecl) })]
    private static int OnEvent(nint userData, nint nativeEvent)
    {
        // An exception must not leave this method: it would end the process.
        try
        {
            return Registry.TryGetValue(userData, out Completions? self) ? self.Receive(nativeEvent) : Native.Stop;
        }
        catch (Exception error)
        {
            Console.Error.WriteLine(error);
            return Native.Stop;
        }
    }

    [UnmanagedCallersOnly(CallConvs = new[] { typeof(CallConvCdecl) })]
    private static void OnDrop(nint userData) => Registry.TryRemove(userData, out _);

    private int Receive(nint nativeEvent)
    {
        switch (Native.pico_event_kind(nativeEvent))
        {
            case Native.EventState when Native.pico_event_state(nativeEvent) == Native.StateOpen:
                opened.TrySetResult(true);
                break;
            case Native.EventOrderComplete:
                var done = Marshal.PtrToStructure<Native.OrderComplete>(Native.pico_event_order_complete(nativeEvent));
                if (Native.Text(done.ExternalOrderId) == orderId)
                {
                    completed.TrySetResult(Native.Text(done.ProducedSerial) ?? "-");
                    return Native.Stop;
                }
                break;
            case Native.EventClosed:
                nint error = Native.pico_event_error(nativeEvent);
                string message = error == 0 ? "the server ended the stream" : Native.Message(error);
                var ended = new PicoException(Native.pico_error_status(error), message);
                opened.TrySetException(ended);
                completed.TrySetException(ended);
                break;
        }
        return Native.Continue;
    }
}

internal sealed class ClientHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    public ClientHandle() : base(true)
    {
    }

    protected override bool ReleaseHandle()
    {
        Native.pico_client_free(handle);
        return true;
    }
}

internal sealed class OperationsHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    public OperationsHandle() : base(true)
    {
    }

    protected override bool ReleaseHandle()
    {
        Native.pico_operations_free(handle);
        return true;
    }
}

internal sealed class SubscriptionHandle : SafeHandleZeroOrMinusOneIsInvalid
{
    public SubscriptionHandle() : base(true)
    {
    }

    protected override bool ReleaseHandle()
    {
        Native.pico_subscription_free(handle);
        return true;
    }
}

/// <summary>The part of pico_erp.h that this program uses.</summary>
internal static unsafe class Native
{
    public const int Ok = 0;
    public const int Continue = 0;
    public const int Stop = 1;
    public const int SavedCreated = 1;
    public const int EventOrderComplete = 3;
    public const int EventState = 6;
    public const int EventClosed = 8;
    public const int StateOpen = 2;

    private const string Library = "pico_erp";

    /// <summary>pico_operation_t up to the name. The fields behind it are not needed here.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Operation
    {
        public uint StructSize;
        public nint Id;
        public nint ExternalId;
        public nint ExternalRevision;
        public nint Name;
    }

    /// <summary>pico_order_complete_t up to produced_serial.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct OrderComplete
    {
        public uint StructSize;
        public int OrderIndex;
        public nint ExternalOrderId;
        public nint OperationId;
        public nint OperationExternalId;
        public nint OperationExternalRevision;
        public nint OperationName;
        public nint At;
        public long AtMs;
        public nint StartedAt;
        public long StartedAtMs;
        public nint ConsumedSerials;
        public nuint ConsumedSerialsCount;
        public nint ProducedSerial;
    }

    /// <summary>pico_order_save_t.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct OrderSave
    {
        public uint StructSize;
        public uint OrderIndex;
        [MarshalAs(UnmanagedType.LPUTF8Str)]
        public string OperationId;
        [MarshalAs(UnmanagedType.LPUTF8Str)]
        public string ExternalOrderId;
        public nint SelectOptionalOperationIds;
        public nuint SelectOptionalOperationIdsCount;
    }

    /// <summary>pico_event_callback_t.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct EventCallback
    {
        public delegate* unmanaged[Cdecl]<nint, nint, int> Call;
        public delegate* unmanaged[Cdecl]<nint, void> Drop;
        public nint UserData;
    }

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int pico_client_from_environment(out ClientHandle client, out nint error);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern void pico_client_free(nint client);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int pico_client_operations(
        ClientHandle client, nint filter, nint call, out OperationsHandle operations, out nint error);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern nuint pico_operations_count(OperationsHandle operations);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern nint pico_operations_at(OperationsHandle operations, nuint index);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern void pico_operations_free(nint operations);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int pico_client_save_order(
        ClientHandle client, in OrderSave order, nint call, out int outcome, out nint error);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int pico_client_order_completes_stream(
        ClientHandle client, nint filter, in EventCallback callback, out SubscriptionHandle subscription, out nint error);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern void pico_subscription_free(nint subscription);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int pico_event_kind(nint nativeEvent);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int pico_event_state(nint nativeEvent);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern nint pico_event_order_complete(nint nativeEvent);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern nint pico_event_error(nint nativeEvent);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    public static extern int pico_error_status(nint error);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    private static extern nint pico_error_message(nint error);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    private static extern nint pico_status_name(int status);

    [DllImport(Library, CallingConvention = CallingConvention.Cdecl)]
    private static extern void pico_error_free(nint error);

    /// <summary>A copy of a text of C's, or null.</summary>
    public static string? Text(nint text) => Marshal.PtrToStringUTF8(text);

    public static string Message(nint error) =>
        $"{Text(pico_status_name(pico_error_status(error)))}: {Text(pico_error_message(error))}";

    /// <summary>Throws, and frees the error, when the status is one.</summary>
    public static void Check(int status, nint error)
    {
        if (status == Ok)
        {
            return;
        }
        string message = Message(error);
        pico_error_free(error);
        throw new PicoException(status, message);
    }
}

// A testbench of @NAME@, and a first use of it to read: probe, SAs, a packet each way, one that the
// MAC found bad, a forged one, a super-frame, an event and its interrupt, counters. What a build
// lacks is left out.
// The frames to compare with come from espnic's golden model. It prints a line for each error,
// and at its end "PASS @NAME@_tb" or "FAIL @NAME@_tb".
//
// Inputs change on the falling edge of the clock, so that nothing races with the rising one.
`timescale 1ns/1ps

/* verilator lint_save */
/* verilator lint_off WIDTHEXPAND */
/* verilator lint_off WIDTHTRUNC */
module @NAME@_tb;
    localparam BEAT_BYTES = @BEAT_BYTES@;
    localparam FRAME_BYTES = @FRAME_BYTES@; // of the longest frame here
    localparam FRAMES = 16; // kept from each output
    localparam LIMIT = 100000; // clocks for which anything is waited

    reg clk = 0;
    reg rst = 1;
    wire irq;
    always #2 clk = ~clk;

    reg [11:0] s_axil_awaddr = 0, s_axil_araddr = 0;
    reg [2:0] s_axil_awprot = 0, s_axil_arprot = 0;
    reg s_axil_awvalid = 0, s_axil_wvalid = 0, s_axil_bready = 0;
    reg s_axil_arvalid = 0, s_axil_rready = 0;
    reg [31:0] s_axil_wdata = 0;
    reg [3:0] s_axil_wstrb = 4'hf;
    wire s_axil_awready, s_axil_wready, s_axil_bvalid, s_axil_arready, s_axil_rvalid;
    wire [1:0] s_axil_bresp, s_axil_rresp;
    wire [31:0] s_axil_rdata;

    reg [8*BEAT_BYTES-1:0] s_axis_tx_tdata = 0, s_axis_rx_tdata = 0;
    reg [BEAT_BYTES-1:0] s_axis_tx_tkeep = 0, s_axis_rx_tkeep = 0;
    reg s_axis_tx_tlast = 0, s_axis_rx_tlast = 0, s_axis_tx_tvalid = 0, s_axis_rx_tvalid = 0;
    // Descriptor, sideband, whether a frame is bad, and completion. Where there is a sideband, it
    // is above the others, and each tuser is whole bytes wide.
    reg [@S_TX_BITS@-1:0] s_axis_tx_tuser = 0;
    wire [@M_TX_BITS@-1:0] m_axis_tx_tuser;
    reg [@S_RX_BITS@-1:0] s_axis_rx_tuser = 0;
    wire [@M_RX_BITS@-1:0] m_axis_rx_tuser;
    wire s_axis_tx_tready, s_axis_rx_tready;
    wire [8*BEAT_BYTES-1:0] m_axis_tx_tdata, m_axis_rx_tdata;
    wire [BEAT_BYTES-1:0] m_axis_tx_tkeep, m_axis_rx_tkeep;
    wire m_axis_tx_tlast, m_axis_rx_tlast, m_axis_tx_tvalid, m_axis_rx_tvalid;
    reg m_axis_tx_tready = 1, m_axis_rx_tready = 1;

@UNDRIVEN@    @NAME@ engine (
@PINS@
    );

    // Frames, first byte first.
@FRAMES@

    integer errors = 0;

    task wrong(input [8*32-1:0] what);
        begin
            errors = errors + 1;
            $display("ERROR at %0t: %0s", $time, what);
        end
    endtask

    // Registers

    reg [31:0] word; // read last
    reg address_taken, data_taken;
    integer polls;

    task write(input [11:0] address, input [31:0] data);
        begin
            @(negedge clk);
            s_axil_awaddr = address;
            s_axil_wdata = data;
            s_axil_awvalid = 1;
            s_axil_wvalid = 1;
            while (s_axil_awvalid || s_axil_wvalid) begin
                @(posedge clk);
                address_taken = s_axil_awready;
                data_taken = s_axil_wready;
                @(negedge clk);
                if (address_taken) s_axil_awvalid = 0;
                if (data_taken) s_axil_wvalid = 0;
            end
            while (!s_axil_bvalid) @(negedge clk);
            if (s_axil_bresp != 0) wrong("a write is refused");
            s_axil_bready = 1;
            @(negedge clk);
            s_axil_bready = 0;
        end
    endtask

    task read(input [11:0] address);
        begin
            @(negedge clk);
            s_axil_araddr = address;
            s_axil_arvalid = 1;
            while (s_axil_arvalid) begin
                @(posedge clk);
                address_taken = s_axil_arready;
                @(negedge clk);
                if (address_taken) s_axil_arvalid = 0;
            end
            while (!s_axil_rvalid) @(negedge clk);
            if (s_axil_rresp != 0) wrong("a read is refused");
            word = s_axil_rdata;
            s_axil_rready = 1;
            @(negedge clk);
            s_axil_rready = 0;
        end
    endtask

    task expect_word(input [11:0] address, input [31:0] wanted, input [8*32-1:0] what);
        begin
            read(address);
            if (word !== wanted) begin
                wrong(what);
                $display("  offset %h reads %h, expected %h", address, word, wanted);
            end
        end
    endtask

    // Give an SA command, and wait for its end.
    task command(input [31:0] doorbell);
        begin
            write(12'h@SA_DOORBELL@, doorbell);
            read(12'h@SA_STATUS@);
            for (polls = 0; !word[@DONE@] && polls < LIMIT; polls = polls + 1)
                read(12'h@SA_STATUS@);
            if (!word[@DONE@]) wrong("an SA command does not end");
            if (word[@RESULT@] != 0) wrong("an SA command fails");
        end
    endtask

@ADD@

    // Streams. A frame is a number whose lowest byte is the frame's last.

    reg taken;
    integer at, lane;

    task send_tx(
        input [8*FRAME_BYTES-1:0] frame, input integer count,
        input [@S_TX_BITS@-1:0] user
    );
        begin
            @(negedge clk);
            for (at = 0; at < count; at = at + BEAT_BYTES) begin
                s_axis_tx_tkeep = 0;
                for (lane = 0; lane < BEAT_BYTES; lane = lane + 1)
                    if (at + lane < count) begin
                        s_axis_tx_tdata[8*lane +: 8] = frame[8*(count - 1 - at - lane) +: 8];
                        s_axis_tx_tkeep[lane] = 1;
                    end
                s_axis_tx_tlast = at + BEAT_BYTES >= count;
                s_axis_tx_tuser = user;
                s_axis_tx_tvalid = 1;
                taken = 0;
                while (!taken) begin
                    @(posedge clk);
                    taken = s_axis_tx_tready;
                    @(negedge clk);
                end
            end
            s_axis_tx_tvalid = 0;
        end
    endtask

    task send_rx(
        input [8*FRAME_BYTES-1:0] frame, input integer count,
        input [@S_RX_BITS@-1:0] user
    );
        begin
            @(negedge clk);
            for (at = 0; at < count; at = at + BEAT_BYTES) begin
                s_axis_rx_tkeep = 0;
                for (lane = 0; lane < BEAT_BYTES; lane = lane + 1)
                    if (at + lane < count) begin
                        s_axis_rx_tdata[8*lane +: 8] = frame[8*(count - 1 - at - lane) +: 8];
                        s_axis_rx_tkeep[lane] = 1;
                    end
                s_axis_rx_tlast = at + BEAT_BYTES >= count;
                s_axis_rx_tuser = user;
                s_axis_rx_tvalid = 1;
                taken = 0;
                while (!taken) begin
                    @(posedge clk);
                    taken = s_axis_rx_tready;
                    @(negedge clk);
                end
            end
            s_axis_rx_tvalid = 0;
        end
    endtask

    reg [8*FRAME_BYTES-1:0] sent [0:FRAMES-1], got [0:FRAMES-1], tx_frame = 0, rx_frame = 0;
    integer sent_bytes [0:FRAMES-1], got_bytes [0:FRAMES-1], tx_bytes = 0, rx_bytes = 0;
    reg [@M_TX_BITS@-1:0] sent_users [0:FRAMES-1];
    reg [@M_RX_BITS@-1:0] got_users [0:FRAMES-1];
    integer sent_frames = 0, got_frames = 0; // that have left
    integer sent_seen = 0, got_seen = 0; // of them, those that have been compared
    integer tx_lane, rx_lane, clocks;

    always @(posedge clk) if (!rst && m_axis_tx_tvalid === 1'b1) begin
        for (tx_lane = 0; tx_lane < BEAT_BYTES; tx_lane = tx_lane + 1)
            if (m_axis_tx_tkeep[tx_lane]) begin
                tx_frame = {tx_frame[8*FRAME_BYTES-9:0], m_axis_tx_tdata[8*tx_lane +: 8]};
                tx_bytes = tx_bytes + 1;
            end
        if (m_axis_tx_tlast) begin
            sent[sent_frames % FRAMES] = tx_frame;
            sent_bytes[sent_frames % FRAMES] = tx_bytes;
            sent_users[sent_frames % FRAMES] = m_axis_tx_tuser;
            sent_frames = sent_frames + 1;
            tx_frame = 0;
            tx_bytes = 0;
        end
    end

    always @(posedge clk) if (!rst && m_axis_rx_tvalid === 1'b1) begin
        for (rx_lane = 0; rx_lane < BEAT_BYTES; rx_lane = rx_lane + 1)
            if (m_axis_rx_tkeep[rx_lane]) begin
                rx_frame = {rx_frame[8*FRAME_BYTES-9:0], m_axis_rx_tdata[8*rx_lane +: 8]};
                rx_bytes = rx_bytes + 1;
            end
        if (m_axis_rx_tlast) begin
            got[got_frames % FRAMES] = rx_frame;
            got_bytes[got_frames % FRAMES] = rx_bytes;
            got_users[got_frames % FRAMES] = m_axis_rx_tuser;
            got_frames = got_frames + 1;
            rx_frame = 0;
            rx_bytes = 0;
        end
    end

    task expect_sent(
        input [8*FRAME_BYTES-1:0] frame, input integer count,
        input [@M_TX_BITS@-1:0] user, input [8*32-1:0] what
    );
        begin
            for (clocks = 0; sent_frames == sent_seen && clocks < LIMIT; clocks = clocks + 1)
                @(negedge clk);
            if (sent_frames == sent_seen || sent_bytes[sent_seen % FRAMES] != count
                    || sent[sent_seen % FRAMES] !== frame
                    || sent_users[sent_seen % FRAMES] !== user) begin
                wrong(what);
                $display("  to the wire %h", sent[sent_seen % FRAMES]);
                $display("  expected    %h", frame);
                $display("  tuser       %h", sent_users[sent_seen % FRAMES]);
                $display("  expected    %h", user);
            end else
                $display("%0s: %0d bytes to the wire", what, count);
            sent_seen = sent_seen + 1;
        end
    endtask

    task expect_got(
        input [8*FRAME_BYTES-1:0] frame, input integer count,
        input [@M_RX_BITS@-1:0] user, input [8*32-1:0] what
    );
        begin
            for (clocks = 0; got_frames == got_seen && clocks < LIMIT; clocks = clocks + 1)
                @(negedge clk);
            if (got_frames == got_seen || got_bytes[got_seen % FRAMES] != count
                    || got[got_seen % FRAMES] !== frame
                    || got_users[got_seen % FRAMES] !== user) begin
                wrong(what);
                $display("  to the host %h", got[got_seen % FRAMES]);
                $display("  expected    %h", frame);
                $display("  tuser       %h", got_users[got_seen % FRAMES]);
                $display("  expected    %h", user);
            end else
                $display("%0s: %0d bytes to the host, status %0d", what, count, user[4:0]);
            got_seen = got_seen + 1;
        end
    endtask

    task expect_irq(input wanted);
        begin
            for (clocks = 0; irq !== wanted && clocks < LIMIT; clocks = clocks + 1) @(negedge clk);
            if (irq !== wanted) wrong("irq");
        end
    endtask

    initial begin
        repeat (4) @(negedge clk);
        rst = 0;
@STEPS@
        if (errors == 0) $display("PASS @NAME@_tb");
        else $display("FAIL @NAME@_tb: %0d errors", errors);
        $finish;
    end
endmodule
/* verilator lint_restore */

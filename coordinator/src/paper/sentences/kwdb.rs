//! The sentences of KWDB's planner that no other one says: looked at after the others. Where two forms fit
//! one sentence, the more special one stands first.

/// As in the table of all others.
pub(super) const TABLE: &[(&str, &str)] = &[
    // Titles of steps.
    ("make keys and requests for {} on {}", "在 {2} 上为 {1} 生成密钥和证书请求"),
    ("sign the certificates of {} on {}", "在 {2} 上签发 {1} 的证书"),
    ("put the certificates of {} in place on {}", "在 {2} 上放置 {1} 的证书"),
    ("write with what {} is started on {}", "在 {2} 上写入 {1} 的启动参数"),
    ("start {} on {}", "在 {2} 上启动 {1}"),
    ("wait until the members see {}", "等待所有成员看到 {1}"),
    ("wait until every range is whole with {}", "等待 {1} 加入后所有分区副本完整"),
    ("wait until the data are spread over {}", "等待数据分布到 {1}"),
    ("let data of time series move to new nodes", "允许时序数据迁移到新节点"),
    ("keep data of time series where they are", "让时序数据留在原处"),
    ("put the setting for rebalancing back", "恢复重分布设置"),
    // Reasons.
    ("keys are made where they are used, and never travel", "密钥在使用处生成，从不外传"),
    (
        "the members trust certificates of their own authority only",
        "成员只信任自己证书机构签发的证书",
    ),
    ("a node of a secure cluster shows who it is", "安全集群的节点要证明自己的身份"),
    (
        "the unit that the package brought starts it, in the cluster's start mode, with the members to join",
        "由安装包自带的服务单元启动，使用集群的启动模式和要加入的成员地址",
    ),
    ("it joins by itself and asks the cluster for its id", "节点自行加入，并由集群分配节点号"),
    (
        "a start that went well is no proof: a node is a member when those who were there say so",
        "启动成功不算证明：原有成员都看到它，才算成员",
    ),
    (
        "the next change waits until the cluster has taken this one in",
        "集群消化这次变更之后，才进行下一次",
    ),
    ("the administrator asks for it; it is restored in the end", "按管理员的要求设置，结束时恢复"),
    ("what was changed for a while is as it was before", "临时更改的设置恢复原样"),
    (
        "the new nodes take their share of the ranges; the cluster moves them by itself",
        "新节点分担分区；由集群自行迁移",
    ),
    (
        "every member is available and live for all others, takes SQL, and every range is whole",
        "每个成员在其他成员看来都可用且存活，接受 SQL，所有分区副本完整",
    ),
    // What acts do.
    ("claim directories, ports and the unit", "登记目录、端口和服务单元"),
    ("write with what the unit starts kwbase", "写入服务单元启动 kwbase 的参数"),
    ("remove with what the unit starts kwbase", "删除服务单元启动 kwbase 的参数"),
    ("make keys and requests", "生成密钥和证书请求"),
    ("sign with the cluster's ca.key", "用集群的 ca.key 签发"),
    ("forget what was signed", "删除签发记录"),
    ("put the certificates in place", "放置证书"),
    ("remove keys and certificates", "删除密钥和证书"),
    ("start and enable the node", "启动节点并设为开机自启"),
    ("kwbase quit, then stop and disable the node", "执行 kwbase quit，然后停止节点并取消开机自启"),
    ("stop and disable the node", "停止节点并取消开机自启"),
    ("stop and start the node", "停止并启动节点"),
    // Notes.
    (
        "{} on {}: data in {}, reached at {} port {}, http {}, brpc {}, run by {} as {}",
        "{2} 上的 {1}：数据在 {3}，地址 {4} 端口 {5}，http {6}，brpc {7}，由 {8} 以用户 {9} 运行",
    ),
    (
        "{} on {}: data in {}, reached at {} port {}, started by {}, node id {} now, in the container {}",
        "{2} 上的 {1}：数据在 {3}，地址 {4} 端口 {5}，由 {6} 启动，当前节点号 {7}，位于容器 {8}",
    ),
    (
        "{} on {}: data in {}, reached at {} port {}, started by {}, node id {} now",
        "{2} 上的 {1}：数据在 {3}，地址 {4} 端口 {5}，由 {6} 启动，当前节点号 {7}",
    ),
    ("a multi-replica cluster, {}", "多副本集群，{1}"),
    ("a single-replica cluster, {}", "单副本集群，{1}"),
    (
        "nothing of it is ever configured or removed by Bellows; it is stopped and started only by its unit",
        "Bellows 从不配置或删除其中任何内容；只通过其服务单元停止和启动它",
    ),
    (
        "a single-replica cluster may grow and be restarted, and lets no node go",
        "单副本集群可以扩容和重启，但不能移除节点",
    ),
    (
        "while data move, queries may for a short time give incomplete results; afterwards they are whole again",
        "数据迁移期间，查询结果可能短暂不完整；完成后恢复完整",
    ),
    (
        "while data move, statements on indexes of time series (CREATE INDEX, DROP INDEX) may time out: repeat them afterwards; other ALTER statements make it take longer",
        "数据迁移期间，时序索引语句（CREATE INDEX、DROP INDEX）可能超时：完成后重试；其他 ALTER 语句会延长迁移时间",
    ),
    (
        "while data move, more disk is used on all members; afterwards it goes back",
        "数据迁移期间，所有成员的磁盘使用量会增加；完成后恢复",
    ),
    ("do it when there is little load", "请在业务低峰期执行"),
    (
        "a change of schema runs now: {} {} ({}): {}",
        "当前有表结构变更正在运行：{1} {2}（{3}）：{4}",
    ),
    ("{} of schema run now", "另有表结构变更正在运行：{1}"),
    (
        "kv.allocator.ts_consider_rebalance.enabled is true now: it is false meanwhile, and true again in the end; from then on data of time series move",
        "kv.allocator.ts_consider_rebalance.enabled 当前为 true：期间改为 false，结束时恢复为 true；此后时序数据开始迁移",
    ),
    (
        "kv.allocator.ts_consider_rebalance.enabled is false now: it is true meanwhile, and false again in the end",
        "kv.allocator.ts_consider_rebalance.enabled 当前为 false：期间改为 true，结束时恢复为 false",
    ),
    (
        "kv.allocator.ts_consider_rebalance.enabled is false: data of time series stay where they are",
        "kv.allocator.ts_consider_rebalance.enabled 为 false：时序数据留在原处",
    ),
    (
        "each store sends at most {} a second for rebalancing",
        "每个存储用于重分布的发送速度最多每秒 {1}",
    ),
    (
        "this is a single-replica cluster: data that are there stay where they are; only new tables use the new nodes",
        "这是单副本集群：已有数据留在原处；只有新建的表使用新节点",
    ),
    (
        "a single-replica cluster lets no node go: once the first new node is started there is no way back",
        "单副本集群不能移除节点：第一个新节点启动之后无法撤销",
    ),
    (
        "{} has no effect: a single-replica cluster moves no data",
        "{1} 不起作用：单副本集群不迁移数据",
    ),
    (
        "deploy.sh join cannot be repeated and has no way back: nodes join by kwbase",
        "deploy.sh join 不能重复执行，也没有退路：节点由 kwbase 加入",
    ),
    (
        "{} on {} holds a copy of the authority's key or may: whoever reads it makes certificates for anybody; remove it by hand",
        "{2} 上的 {1} 含有或可能含有证书机构密钥的副本：读到它的人可以为任何人签发证书；请手动删除",
    ),
    (
        "ca.key is on {} too: one copy at the host that signs is enough",
        "{1} 上也有 ca.key：只需在签发的主机上保留一份",
    ),
    // Names of guards.
    ("what Bellows does for KWDB", "Bellows 对 KWDB 的支持范围"),
    ("kwbase is installed", "已安装 kwbase"),
    ("clocks agree within 500 ms", "时钟相差不超过 500 毫秒"),
    ("equal versions", "版本一致"),
    ("a build that scales", "支持扩缩容的版本"),
    ("all members available and live", "所有成员可用且存活"),
    ("no range unavailable or under-replicated", "没有不可用或副本不足的分区"),
    ("nobody else leaves or upgrades", "没有其他节点正在退役或升级"),
    ("every node that the cluster lists is a member here", "集群列出的每个节点都是登记的成员"),
    ("start mode and security as they were", "启动模式和安全模式未变"),
    ("no certificates of TLCP", "不使用 TLCP 证书"),
    ("no new node in a container", "新节点不在容器中"),
    ("directories absent or empty, and the unit free", "目录不存在或为空，服务单元空闲"),
    ("ports free", "端口空闲"),
    ("address not listed by the cluster", "集群未列出该地址"),
    ("somebody who can sign", "有可签发证书的主机"),
    ("certificates that fit, or none", "证书匹配，或没有证书"),
    ("deploy.sh where it is the front end", "以 deploy.sh 为前端时主机上有它"),
    ("a node to adopt on each host", "每台主机上有一个要接管的节点"),
    ("a node that can be read", "节点可读取"),
    ("a cluster, not a single node", "是集群，不是单节点"),
    ("a host that can take and stop a node", "主机可以接纳并停止节点"),
    ("a cluster that lets nodes go", "允许移除节点的集群"),
    ("every zone satisfiable without the leaving node", "移除该节点后每个区域仍可满足"),
    ("room for its data at those who stay", "留下的成员有空间容纳其数据"),
    ("nobody waits for a decommission", "没有等待退役完成的进程"),
    ("a node that is named dead is not live", "声明已失效的节点没有存活"),
    ("the id of the node is known", "节点号已知"),
    ("an emptied data directory", "数据目录已清空"),
    ("a start that leads to the cluster", "启动参数指向该集群"),
];
